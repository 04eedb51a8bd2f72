//! What is done to the parties: seeded choices, each undone after a while.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::forwarder::Mode;
use crate::scenes::{Harm, Rule};
use crate::stage::Stage;

/// So long passes between two of the harms.
const PAUSE_MS: (u64, u64) = (20, 200);
/// So long the passing ones last.
const LENGTH_MS: (u64, u64) = (50, 1500);
/// One harm of so many cuts the network.
const CUT_EVERY: u64 = 25;

/// How a harm is undone.
enum Undo {
    Continue(usize, usize),
    Pass(usize, usize),
    LinkUp,
}

pub struct Harmer {
    random: u64,
    can_cut: bool,
    pending: Vec<(Instant, Undo)>,
    kills: u64,
    stops: u64,
    resets: u64,
    stalls: u64,
    delays: u64,
    cuts: u64,
}

impl Harmer {
    pub fn new(seed: u64, can_cut: bool) -> Harmer {
        if can_cut {
            set_link("up");
        }
        Harmer {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            can_cut,
            pending: Vec::new(),
            kills: 0,
            stops: 0,
            resets: 0,
            stalls: 0,
            delays: 0,
            cuts: 0,
        }
    }

    /// Does harm for so long, and undoes all of it.
    pub fn harm(&mut self, stages: &mut [Stage], time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let pause = self.between(PAUSE_MS);
            std::thread::sleep(pause);
            self.undo(stages, Instant::now());
            stages.iter_mut().for_each(Stage::watch);
            if self.can_cut && self.below(CUT_EVERY) == 0 {
                self.cut(stages);
            } else {
                self.harm_somebody(stages);
            }
        }
        let all = self.pending.iter().map(|(when, _)| *when).max();
        self.undo(stages, all.unwrap_or(end));
    }

    /// While the network is cut nobody is killed and nothing reset: what says so to the other end would be lost, and that has no way to
    /// find out.
    fn is_cut(&self) -> bool {
        self.pending.iter().any(|(_, undo)| matches!(undo, Undo::LinkUp))
    }

    fn harm_somebody(&mut self, stages: &mut [Stage]) {
        let scene = self.below(stages.len() as u64) as usize;
        let stage = &mut stages[scene];
        let member = self.below(stage.members.len() as u64) as usize;
        let is_hub = stage.members[member].role.is_binding;
        let until = Instant::now() + self.between(LENGTH_MS);
        let choice = self.below(5);
        let can_be_killed = match stage.scene.harm {
            Harm::Stops => false,
            Harm::Kills | Harm::Network => !is_hub,
            Harm::HubKills => is_hub,
        };
        match choice {
            0 if can_be_killed && stage.can_replace() && !self.is_cut() => {
                self.kills += 1;
                stage.replace(member);
            }
            1 if stage.members[member].forwarder.is_some() && !self.is_cut() => {
                self.resets += 1;
                stage.note_loss(member);
                stage.members[member].forwarder.as_ref().expect("it has one").reset();
            }
            2 if stage.members[member].forwarder.is_some() => {
                self.stalls += 1;
                self.set_mode(stage, scene, member, Mode::Stall, until);
            }
            3 if stage.members[member].forwarder.is_some() => {
                self.delays += 1;
                let delay = Duration::from_millis(1 + self.below(20));
                self.set_mode(stage, scene, member, Mode::Delay(delay), until);
            }
            4 if !stage.members[member].party.is_stopped => {
                self.stops += 1;
                stage.members[member].party.set_stopped(true);
                self.pending.push((until, Undo::Continue(scene, member)));
            }
            _ => {}
        }
    }

    fn set_mode(&mut self, stage: &Stage, scene: usize, member: usize, mode: Mode, until: Instant) {
        stage.set_mode(member, mode);
        self.pending.push((until, Undo::Pass(scene, member)));
    }

    /// Takes the loopback interface down, and with it every connection over tcp; those may live through it.
    fn cut(&mut self, stages: &mut [Stage]) {
        if self.is_cut() {
            return;
        }
        for stage in stages.iter_mut() {
            let is_steady = stage.scene.harm == Harm::Stops || stage.scene.rule == Rule::Itself;
            for member in 0..stage.members.len() {
                if !is_steady && stage.scene.endpoints.iter().any(|endpoint| endpoint.starts_with("tcp")) {
                    stage.note_loss(member);
                }
            }
        }
        self.cuts += 1;
        set_link("down");
        let until = Instant::now() + self.between(LENGTH_MS);
        self.pending.push((until, Undo::LinkUp));
    }

    fn undo(&mut self, stages: &mut [Stage], now: Instant) {
        let (due, later): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(|(when, _)| *when <= now);
        self.pending = later;
        for (_, undo) in due {
            match undo {
                Undo::Continue(scene, member) => stages[scene].members[member].party.set_stopped(false),
                Undo::Pass(scene, member) => stages[scene].set_mode(member, Mode::Pass),
                Undo::LinkUp => set_link("up"),
            }
        }
    }

    fn between(&mut self, (least, most): (u64, u64)) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

impl fmt::Display for Harmer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} kills, {} stops, {} resets, {} stalls, {} delays, {} cuts of the network",
            self.kills, self.stops, self.resets, self.stalls, self.delays, self.cuts
        )
    }
}

fn set_link(state: &str) {
    let status = Command::new("ip").args(["link", "set", "lo", state]).status();
    assert!(status.is_ok_and(|status| status.success()), "ip link set lo {state}");
}
