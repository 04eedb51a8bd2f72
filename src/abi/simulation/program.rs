//! The simulated program: what it does with its sockets, one thing after the other, as the plan and the seed have it.

use super::account::Account;
use super::calls::{Context, Socket, poll, receive_parts, send_parts};
use super::plan::{Pattern, Plan};
use super::wire::{Id, id_of, parts_of, source};
use crate::constants::*;
use crate::sys::simulation::{self, Faults, Random, mix};

/// The first port that is bound to.
const PORT: u16 = 5000;
/// Topics that are published, and what is subscribed to.
const TOPICS: [&[u8]; 4] = [b"a", b"ab", b"b", b""];
/// When nothing has happened in so many rounds, nothing will.
const QUIET_ROUNDS: usize = 40;
/// So many rounds must do until nothing happens any more.
const ROUNDS_MAX: usize = 4_000;
/// The time of a round.
const ROUND_NS: u64 = 10_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// A socket of the program.
pub struct Member {
    /// Its own number.
    pub number: u32,
    socket: Socket,
    /// Which of those that bind, or connect, it is.
    place: usize,
    binds: bool,
    /// How many messages it has sent.
    sent: u32,
    /// ROUTER and REP: what is to be answered: whose, and which.
    questions: Vec<(Vec<u8>, Id)>,
    /// REQ: what waits for an answer.
    asked: Option<Id>,
}

/// A program that is running.
pub struct Program<'a> {
    plan: &'a Plan,
    random: Random,
    context: Context,
    members: Vec<Member>,
    account: Account,
    numbers: u32,
}

/// Runs a program from its beginning to its end.
pub fn run(plan: &Plan) {
    let mut program = Program {
        plan,
        random: Random::new(mix(plan.seed ^ 0x5eed)),
        context: Context::new(plan.reactors),
        members: Vec::new(),
        account: Account::new(plan),
        numbers: 0,
    };
    // Who connects may come first.
    let mut places: Vec<(bool, usize)> = (0..plan.bound).map(|place| (true, place)).collect();
    places.extend((0..plan.connecting).map(|place| (false, place)));
    program.random.shuffle(&mut places);
    for (binds, place) in places {
        program.open(binds, place);
    }
    for _ in 0..plan.actions {
        program.act();
        program.account.check_marks();
        if simulation::violations() > 0 {
            break;
        }
    }
    program.settle();
    for member in program.members.iter().filter_map(|member| member.asked) {
        program.account.unanswered(member);
    }
    program.account.check_end();
    program.end();
}

impl Program<'_> {
    fn act(&mut self) {
        let place = self.random.below(self.members.len() as u64) as usize;
        if self.random.once_in(self.plan.upheaval) {
            return self.upset(place);
        }
        match self.random.below(8) {
            0..=2 => {
                let count = 1 + self.random.below(40);
                (0..count).take_while(|_| self.send(place, true)).count();
            }
            3..=5 => {
                let count = 1 + self.random.below(60);
                (0..count).take_while(|_| self.receive(place, true)).count();
            }
            6 => self.poll(),
            _ => match self.random.below(12) {
                0 => drop(self.members[place].socket.get(ZMQ_FD)),
                1..=4 => drop(self.members[place].socket.get(ZMQ_EVENTS)),
                5..=8 => simulation::pass(self.random.below(200_000)),
                _ => simulation::pass(self.random.below(30) * MILLISECOND_NS),
            },
        }
    }

    /// Opens a socket and binds or connects it.
    fn open(&mut self, binds: bool, place: usize) {
        let plan = self.plan;
        let (bound, connecting) = plan.pattern.types();
        let kind = if binds { bound } else { connecting };
        let socket = Socket::open(&self.context, kind);
        self.numbers += 1;
        let number = self.numbers;
        socket.set(ZMQ_SNDHWM, plan.send_limit);
        socket.set(ZMQ_RCVHWM, plan.receive_limit);
        socket.set(ZMQ_HEARTBEAT_IVL, plan.heartbeat_ms);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 10_000);
        socket.set(ZMQ_RECONNECT_IVL, 1 + self.random.below(20) as i32);
        socket.set(ZMQ_SNDTIMEO, self.random.below(20) as i32);
        socket.set(ZMQ_RCVTIMEO, self.random.below(50) as i32);
        match kind {
            ZMQ_ROUTER => socket.set(ZMQ_ROUTER_MANDATORY, 1),
            ZMQ_REQ => {
                socket.set(ZMQ_REQ_RELAXED, 1);
                socket.set(ZMQ_REQ_CORRELATE, 1);
            }
            ZMQ_SUB => socket.set_bytes(ZMQ_SUBSCRIBE, topic_of(number)),
            _ => {}
        }
        if !binds && plan.immediate {
            socket.set(ZMQ_IMMEDIATE, 1);
        }
        self.account.opened(number, binds, kind);
        if binds {
            let port = PORT + place as u16;
            socket.bind(&format!("tcp://127.0.0.1:{port}")).expect("bind");
            self.account
                .listens(number, simulation::listener(port).expect("it listens"));
        } else {
            for endpoint in endpoints(plan, number) {
                socket.connect(&endpoint).expect("connect");
            }
        }
        self.members.push(Member {
            number,
            socket,
            place,
            binds,
            sent: 0,
            questions: Vec::new(),
            asked: None,
        });
    }

    /// Closes a socket and opens another, or takes its connections back and makes them anew.
    fn upset(&mut self, place: usize) {
        let (number, socket, binds) = {
            let member = &self.members[place];
            (member.number, member.socket, member.binds)
        };
        if !binds && self.random.once_in(2) {
            self.account.disconnected(number);
            for endpoint in endpoints(self.plan, number) {
                socket.disconnect(&endpoint).expect("disconnect");
            }
            if self.random.once_in(2) {
                simulation::pass(self.random.below(5_000_000));
            }
            for endpoint in endpoints(self.plan, number) {
                socket.connect(&endpoint).expect("connect");
            }
            return;
        }
        let linger_ms = self.random.pick(&[-1, 0, 1, 50]);
        socket.set(ZMQ_LINGER, linger_ms);
        self.account.closed(number, linger_ms);
        let member = self.members.remove(place);
        socket.close().expect("close");
        if self.random.once_in(2) {
            simulation::pass(self.random.below(50) * MILLISECOND_NS);
        }
        self.open(member.binds, member.place);
    }

    /// Sends one message, if there is one to send and it can be sent. `waits`: the call may wait.
    fn send(&mut self, place: usize, waits: bool) -> bool {
        let pattern = self.plan.pattern;
        let flags = if waits && self.random.once_in(3) {
            0
        } else {
            ZMQ_DONTWAIT
        };
        let ways = self.random.next();
        let member = &mut self.members[place];
        let id = (member.number, member.sent);
        let mut parts = parts_of(id, self.plan.part_max);
        match (pattern, member.binds) {
            (Pattern::Collect | Pattern::Gather, true) | (Pattern::Distribute | Pattern::Publish, false) => {
                return false;
            }
            (Pattern::Route | Pattern::Request, true) => {
                let Some((peer, question)) = member.questions.last() else {
                    return false;
                };
                let (peer, question) = (peer.clone(), *question);
                parts.push(reference(question));
                if pattern == Pattern::Route {
                    parts.insert(0, peer);
                }
            }
            (Pattern::Publish | Pattern::Gather, _) => parts.insert(0, topic(id).to_vec()),
            (Pattern::Request, false) if member.asked.is_some() && !self.random.once_in(30) => return false,
            _ => {}
        }
        let sent = send_parts(member.socket, &parts, flags, ways);
        simulation::note(sent.map_or_else(|errno| errno as u64, |()| 1 << 40));
        match sent {
            Ok(()) => {
                member.sent += 1;
                drop(member.questions.pop());
                if pattern == Pattern::Request && !member.binds {
                    member.asked = Some(id);
                }
                self.account.sent(id);
                true
            }
            Err(libc::EHOSTUNREACH) if pattern == Pattern::Route => {
                drop(member.questions.pop());
                true
            }
            Err(libc::EAGAIN | libc::EINTR) => false,
            // A REQ whose request waits for room has asked already.
            Err(errno) => {
                simulation::violate(format!("socket {} cannot send: errno {errno}", id.0));
                false
            }
        }
    }

    /// Receives one message, if there is one.
    fn receive(&mut self, place: usize, waits: bool) -> bool {
        let pattern = self.plan.pattern;
        let flags = if waits && self.random.once_in(3) {
            0
        } else {
            ZMQ_DONTWAIT
        };
        let ways = self.random.next();
        let member = &mut self.members[place];
        let expects = match (pattern, member.binds) {
            (Pattern::Collect | Pattern::Gather, binds) => binds,
            (Pattern::Distribute | Pattern::Publish, binds) => !binds,
            (Pattern::Request, true) => member.questions.is_empty(),
            (Pattern::Request, false) => member.asked.is_some(),
            (Pattern::Route, _) => true,
        };
        if !expects {
            return false;
        }
        match receive_parts(member.socket, flags, ways) {
            Ok(parts) => {
                simulation::note(parts.len() as u64);
                self.received(place, parts);
                true
            }
            Err(libc::EAGAIN | libc::EINTR) => false,
            Err(errno) => {
                simulation::violate(format!("socket {} cannot receive: errno {errno}", member.number));
                false
            }
        }
    }

    /// A message came: it must be whole, and one that was sent.
    fn received(&mut self, place: usize, mut parts: Vec<Vec<u8>>) {
        let pattern = self.plan.pattern;
        let member = &mut self.members[place];
        let binds = member.binds;
        let peer = match (pattern, binds) {
            (Pattern::Route, true) | (Pattern::Publish | Pattern::Gather, _) => parts.remove(0),
            _ => Vec::new(),
        };
        let answers = matches!(pattern, Pattern::Route | Pattern::Request) && !binds;
        let reference_part = if answers { parts.pop() } else { None };
        let id = parts.first().and_then(|part| id_of(part));
        let Some(id) = id.filter(|id| parts_of(*id, self.plan.part_max) == parts) else {
            let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
            return simulation::violate(format!(
                "socket {} received what nobody sent: parts of {lengths:?} bytes as {id:?}",
                member.number
            ));
        };
        match pattern {
            Pattern::Route | Pattern::Request if binds => member.questions.push((peer, id)),
            Pattern::Route => {
                let is_ours = reference_part.is_some_and(|part| id_of(&part).is_some_and(|it| it.0 == member.number));
                if !is_ours {
                    simulation::violate(format!("socket {} received another's answer", member.number));
                }
            }
            Pattern::Request => {
                let asked = member.asked.take();
                if reference_part != asked.map(reference) {
                    simulation::violate(format!("socket {} received no answer to {asked:?}", member.number));
                }
            }
            Pattern::Publish | Pattern::Gather if peer != topic(id) || !peer.starts_with(topic_of(member.number)) => {
                simulation::violate(format!("socket {} has not subscribed to {peer:?}", member.number));
            }
            _ => {}
        }
        self.account.received(self.members[place].number, id);
    }

    fn poll(&mut self) {
        let sockets: Vec<(Socket, i16)> = self
            .members
            .iter()
            .map(|member| (member.socket, self.random.pick(&[1_i16, 2, 3])))
            .collect();
        let timeout_ms = self.random.below(30) as i64;
        match poll(&sockets, timeout_ms) {
            Ok(found) => simulation::note(found.iter().fold(0, |sum, events| sum * 4 + *events as u64)),
            Err(libc::EINTR) => {}
            Err(errno) => simulation::violate(format!("zmq_poll fails: errno {errno}")),
        }
    }

    /// Nothing goes wrong any more: what is under way arrives and is received.
    fn settle(&mut self) {
        simulation::set_faults(Faults {
            buffer_max: self.plan.faults.buffer_max,
            ..Faults::default()
        });
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            if quiet == QUIET_ROUNDS || simulation::violations() > 0 {
                return;
            }
            quiet += 1;
            for place in 0..self.members.len() {
                while self.receive(place, false) {
                    quiet = 0;
                    // Answers go out meanwhile, and may lead to others.
                    if self.members[place].binds && self.plan.pattern == Pattern::Request {
                        self.send(place, false);
                    }
                }
                while !self.members[place].questions.is_empty() && self.send(place, false) {
                    quiet = 0;
                }
            }
            simulation::pass(ROUND_NS);
        }
        simulation::violate("it does not settle".to_owned());
    }

    /// Closes everything: there is nobody left to wait for, so that no linger is too long.
    fn end(mut self) {
        self.members.sort_by_key(|member| member.binds);
        for member in self.members.drain(..) {
            let unanswered = matches!(self.plan.pattern, Pattern::Route | Pattern::Request);
            let linger_ms = if unanswered || simulation::violations() > 0 {
                0
            } else {
                -1
            };
            member.socket.set(ZMQ_LINGER, linger_ms);
            if member.binds {
                // Those that connected have ended before.
                simulation::pass(ROUND_NS);
            }
            member.socket.close().expect("close");
        }
        if let Err(errno) = self.context.terminate() {
            simulation::violate(format!("zmq_ctx_term fails: errno {errno}"));
        }
        simulation::pass(ROUND_NS);
    }
}

fn endpoints(plan: &Plan, number: u32) -> impl Iterator<Item = String> + use<> {
    let source = source(number);
    (0..plan.bound as u16).map(move |place| format!("tcp://{source}:0;127.0.0.1:{}", PORT + place))
}

/// A part that tells which message is answered.
fn reference(question: Id) -> Vec<u8> {
    parts_of(question, 0).swap_remove(0)
}

/// What a message is published under.
pub fn topic(id: Id) -> &'static [u8] {
    TOPICS[(mix(u64::from(id.1)) % 4) as usize]
}

/// What a socket subscribes to.
pub fn topic_of(socket: u32) -> &'static [u8] {
    TOPICS[(socket % 4) as usize]
}
