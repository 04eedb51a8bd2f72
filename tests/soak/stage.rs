//! A scene while it is played: its processes, what was done to them, and what its accounts say.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::accounts::{Ledger, STREAMS_MAX, Seen};
use crate::forwarder::{Forwarder, Mode};
use crate::party::{Party, Role, Usage};
use crate::scenes::{Harm, Rule, Scene};

/// How long to wait for what must come.
pub const LIMIT: Duration = Duration::from_secs(60);
/// A party that makes no turn for so long hangs.
const STUCK: Duration = Duration::from_secs(30);
/// What one lost connection may have held: both high-water marks, and what the kernel's buffers and the library's hold of the smallest
/// messages.
const HELD_MAX: u64 = 2 * 1000 + 1024 * 1024 / 200;

/// One party and the stream of its present life.
pub struct Member {
    pub role: Role,
    pub party: Party,
    pub forwarder: Option<Forwarder>,
    stream: usize,
    turns: (u64, Instant),
}

/// A stream: whose it is, and what was done (places in the log) while it lived.
struct Stream {
    owner: usize,
    log_start: usize,
    log_end: Option<usize>,
}

pub struct Stage {
    pub scene: Scene,
    pub ledger: Ledger,
    pub members: Vec<Member>,
    streams: Vec<Stream>,
    /// Whose connection was lost, in order.
    log: Vec<usize>,
    /// Since when nothing may be lost, of each stream and group.
    since: Vec<(usize, String, u64)>,
    /// libzmq's processes that ended by themselves.
    pub their_ends: Vec<String>,
}

impl Stage {
    pub fn open(scene: Scene, folder: &Path, messages_max: u64) -> Stage {
        let mut stage = Stage {
            ledger: Ledger::create(&folder.join(scene.name), messages_max),
            scene,
            members: Vec::new(),
            streams: Vec::new(),
            log: Vec::new(),
            since: Vec::new(),
            their_ends: Vec::new(),
        };
        let endpoints = stage
            .scene
            .endpoints
            .iter()
            .map(|endpoint| (*endpoint).to_owned())
            .collect();
        stage.add("hub".to_owned(), stage.scene.hub_kind, usize::MAX, endpoints);
        let bound = stage.bound_endpoints();
        for index in 0..stage.scene.clients.len() {
            let client = &stage.scene.clients[index];
            let name = format!("{}{index}", client.kind);
            stage.add(name, client.kind, index, vec![bound[client.endpoint].clone()]);
        }
        stage
    }

    fn bound_endpoints(&self) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = fs::read_to_string(self.ledger.folder.join("endpoint-hub")).unwrap_or_default();
            let lines: Vec<String> = text.split_terminator('\n').map(str::to_owned).collect();
            if text.ends_with('\n') && lines.len() == self.scene.endpoints.len() || self.scene.endpoints.is_empty() {
                return lines;
            }
            assert!(Instant::now() < deadline, "{}: the hub does not bind", self.scene.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn add(&mut self, name: String, kind: &'static str, client: usize, mut endpoints: Vec<String>) {
        let is_hub = client == usize::MAX;
        let through = !is_hub && self.scene.harm == Harm::Network;
        let forwarder = through.then(|| {
            let address = endpoints[0].trim_start_matches("tcp://").parse();
            Forwarder::start(address.expect("an address of tcp"))
        });
        if let Some(forwarder) = &forwarder {
            endpoints = vec![format!("tcp://{}", forwarder.address)];
        }
        let library = if is_hub {
            &self.scene.hub_library
        } else {
            &self.scene.clients[client].library
        };
        let role = Role {
            group: match kind {
                "push" | "pub" | "proxy" | "inproc" => "-".to_owned(),
                _ if self.scene.rule == Rule::Shared => "all".to_owned(),
                _ => name.clone(),
            },
            name,
            kind,
            library: library.clone(),
            is_binding: is_hub,
            mechanism: self.scene.mechanism,
            messages_per_second: self.scene.messages_per_second,
            endpoints,
        };
        let stream = self.new_stream(self.members.len());
        let party = Party::start(&role, &self.ledger.folder, stream, self.ledger.messages_max);
        self.members.push(Member {
            role,
            party,
            forwarder,
            stream,
            turns: (0, Instant::now()),
        });
    }

    fn new_stream(&mut self, owner: usize) -> usize {
        self.streams.push(Stream {
            owner,
            log_start: self.log.len(),
            log_end: None,
        });
        self.streams.len() - 1
    }

    /// The connection of that party may be lost from here on.
    pub fn note_loss(&mut self, member: usize) {
        self.log.push(member);
    }

    /// Whether there are numbers left for another life.
    pub fn can_replace(&self) -> bool {
        self.streams.len() < STREAMS_MAX
    }

    /// Kills the party, if it lives, and starts another in its place.
    pub fn replace(&mut self, index: usize) {
        self.note_loss(index);
        let place = self.members[index].stream;
        self.members[index].party.kill();
        self.streams[place].log_end = Some(self.log.len());
        let stream = self.new_stream(index);
        let member = &mut self.members[index];
        member.stream = stream;
        member.turns.1 = Instant::now();
        member.party = Party::start(&member.role, &self.ledger.folder, stream, self.ledger.messages_max);
    }

    /// Looks whether everybody is alive and makes turns.
    pub fn watch(&mut self) {
        for index in 0..self.members.len() {
            let turns = self.ledger.turns(&self.members[index].role.name);
            let member = &mut self.members[index];
            if turns != member.turns.0 || member.party.is_stopped {
                member.turns = (turns, Instant::now());
            }
            let who = format!(
                "{} of {} ({})",
                member.role.name, self.scene.name, member.role.library.name
            );
            assert!(
                member.turns.1.elapsed() < STUCK,
                "stuck: {who}\n{}",
                member.party.printed()
            );
            let Some(status) = member.party.ended() else { continue };
            let is_ours = member.role.library.name.starts_with("monocoque");
            let printed = member.party.printed();
            let died = std::os::unix::process::ExitStatusExt::signal(&status).is_some();
            assert!(!is_ours && died && self.can_replace(), "{who}: {status}\n{printed}");
            self.their_ends.push(format!(
                "{who}: {status}: {}",
                printed.lines().last().unwrap_or_default()
            ));
            self.replace(index);
        }
    }

    /// Pairs of living streams and the groups that are to see them.
    fn expectations(&self) -> Vec<(usize, String)> {
        self.members
            .iter()
            .flat_map(|member| {
                self.groups_of(member.stream)
                    .into_iter()
                    .map(|group| (member.stream, group))
            })
            .collect()
    }

    /// The groups that are to see a stream.
    fn groups_of(&self, stream: usize) -> Vec<String> {
        let owner = &self.members[self.streams[stream].owner];
        let is_hub = owner.role.is_binding;
        let receivers = || {
            let members = self
                .members
                .iter()
                .filter(|member| member.role.is_binding != is_hub || member.role.kind == "sub");
            let mut groups: Vec<String> = members
                .map(|member| member.role.group.clone())
                .filter(|group| group != "-")
                .collect();
            groups.dedup();
            groups
        };
        match owner.role.kind {
            "push" | "pub" | "pair" => receivers(),
            "dealer" => vec!["hub".to_owned(), owner.role.group.clone()],
            // The answers: whoever answered has seen the request.
            "req" => vec![owner.role.group.clone()],
            _ => Vec::new(),
        }
    }

    /// After all harm: everybody is reached again. From the message that says so nothing may be lost.
    pub fn recover(&mut self) {
        let wanted: Vec<(usize, String, u64)> = self
            .expectations()
            .into_iter()
            .map(|(stream, group)| (stream, group, self.ledger.sent(stream)))
            .collect();
        self.since.clear();
        let deadline = Instant::now() + LIMIT;
        for (stream, group, sent) in wanted {
            loop {
                let marks = self.ledger.marks(&group, stream, sent, self.ledger.sent(stream));
                if let Some(place) = marks.iter().rposition(|mark| *mark != 0) {
                    self.since.push((stream, group, sent + place as u64));
                    break;
                }
                self.watch();
                assert!(
                    Instant::now() < deadline || sent + 1 >= self.ledger.messages_max,
                    "{}: {group} gets nothing of {}\n{}",
                    self.scene.name,
                    self.describe(stream),
                    connections()
                );
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    fn describe(&self, stream: usize) -> String {
        let role = &self.members[self.streams[stream].owner].role;
        format!("{} ({}), stream {stream}", role.name, role.library.name)
    }

    /// Has everybody pause, and waits until all that was sent since the recovery is seen.
    pub fn settle(&mut self) {
        self.ledger.set_phase(1);
        // A turn that began after the phase was set has ended with the second turn from now.
        let turns: Vec<u64> = self
            .members
            .iter()
            .map(|member| self.ledger.turns(&member.role.name))
            .collect();
        for (index, turns) in turns.into_iter().enumerate() {
            while self.ledger.turns(&self.members[index].role.name) < turns + 2 && self.scene.rule != Rule::Itself {
                self.watch();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if self.scene.rule == Rule::Asked {
            return;
        }
        let deadline = Instant::now() + LIMIT;
        for (stream, group, from) in self.since.clone() {
            loop {
                let marks = self.ledger.marks(&group, stream, from, self.ledger.sent(stream));
                let Some(first) = marks.iter().position(|mark| *mark == 0) else {
                    break;
                };
                self.watch();
                let missing = marks.iter().filter(|mark| **mark == 0).count();
                assert!(
                    Instant::now() < deadline,
                    "{}: {group} lacks {missing} of {} messages of {}, from number {} on, sent when nothing was done to anybody",
                    self.scene.name,
                    marks.len(),
                    self.describe(stream),
                    from + first as u64
                );
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    pub fn resume(&self) {
        self.ledger.set_phase(0);
    }

    /// The parties that live as long as the soak, on our library: what they hold must stay the same.
    pub fn lasting(&self) -> Vec<(String, Usage)> {
        let lasting = |member: &&Member| {
            let is_lasting =
                (self.scene.harm == Harm::HubKills) != member.role.is_binding || self.scene.harm == Harm::Stops;
            is_lasting && member.role.library.name.starts_with("monocoque")
        };
        self.members
            .iter()
            .filter(lasting)
            .map(|member| {
                (
                    format!("{}/{}", self.scene.name, member.role.name),
                    member.party.usage(),
                )
            })
            .collect()
    }

    /// Has everybody end, and waits for it.
    pub fn close(&mut self) {
        self.ledger.set_phase(2);
        let deadline = Instant::now() + LIMIT;
        for member in &mut self.members {
            let who = format!(
                "{} of {} ({})",
                member.role.name, self.scene.name, member.role.library.name
            );
            let status = loop {
                if let Some(status) = member.party.ended() {
                    break status;
                }
                assert!(
                    Instant::now() < deadline,
                    "{who} does not end\n{}",
                    member.party.printed()
                );
                std::thread::sleep(Duration::from_millis(5));
            };
            let is_ours = member.role.library.name.starts_with("monocoque");
            assert!(
                status.success() || !is_ours,
                "{who}: {status}\n{}",
                member.party.printed()
            );
        }
    }

    /// What became of all messages, after the end. Each loss has to be explained by the connections that were lost.
    pub fn account(&self) -> (u64, Seen, usize) {
        let (mut sent, mut sum) = (0, Seen::default());
        for (number, stream) in self.streams.iter().enumerate() {
            sent += self.ledger.sent(number);
            for group in self.groups_of(number) {
                let seen = self.ledger.seen(&group, number);
                self.judge(number, stream, &group, &seen);
                sum.messages += seen.messages;
                sum.lost += seen.lost;
                sum.missed_first += seen.missed_first;
                sum.gaps += seen.gaps;
            }
        }
        (sent, sum, self.log.len())
    }

    fn judge(&self, number: usize, stream: &Stream, group: &str, seen: &Seen) {
        let log = &self.log[stream.log_start..stream.log_end.unwrap_or(self.log.len())];
        let is_concerned = |member: &&usize| **member == stream.owner || self.members[**member].role.group == group;
        let losses = log.iter().filter(is_concerned).count() as u64;
        let explained = match self.scene.rule {
            Rule::Pieces => seen.gaps + u64::from(seen.missed_first > 0) <= losses,
            Rule::Published => seen.gaps <= losses,
            Rule::Shared => seen.lost + seen.missed_first <= losses * HELD_MAX,
            Rule::Asked | Rule::Itself => true,
        };
        // A request may be on its way over one connection while the next one is repeated over another.
        let is_in_order = seen.chains <= losses + 1 || self.scene.rule == Rule::Asked;
        assert!(
            explained && is_in_order,
            "{}: {group} of {}: {seen:?} with {losses} lost connections",
            self.scene.name,
            self.describe(number)
        );
    }

    pub fn set_mode(&self, member: usize, mode: Mode) {
        if let Some(forwarder) = &self.members[member].forwarder {
            forwarder.set(mode);
        }
    }
}

/// The connections of this network, for whoever looks for the one that is stuck.
fn connections() -> String {
    let output = Command::new("ss").args(["-tanpo"]).output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
