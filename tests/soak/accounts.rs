//! What was sent and what was seen: the ledger that the parties keep in files (`ledger.h`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How many streams a scene can have (`STREAMS_MAX`).
pub const STREAMS_MAX: usize = 512;

/// The ledger of one scene.
pub struct Ledger {
    pub folder: PathBuf,
    pub messages_max: u64,
}

/// What a group of receivers saw of a stream.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    pub messages: u64,
    /// Not seen, after the first that was.
    pub lost: u64,
    /// Not seen at the beginning.
    pub missed_first: u64,
    /// In how many pieces those lost lie.
    pub gaps: u64,
    /// Of how many ascending chains the messages consist, as they came.
    pub chains: u64,
}

impl Ledger {
    pub fn create(folder: &Path, messages_max: u64) -> Ledger {
        std::fs::create_dir_all(folder).expect("a folder for the ledger");
        let ledger = Ledger {
            folder: folder.to_owned(),
            messages_max,
        };
        ledger.set_phase(0);
        ledger
    }

    /// Tells every party of the scene what to do.
    pub fn set_phase(&self, phase: u8) {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join("phase"));
        file.and_then(|file| file.write_all_at(&[phase], 0))
            .expect("write the phase");
    }

    /// How many messages the stream has sent.
    pub fn sent(&self, stream: usize) -> u64 {
        self.number("sent", stream as u64 * 8)
    }

    /// How many turns the party has made, in all its lives.
    pub fn turns(&self, party: &str) -> u64 {
        self.number(&format!("rounds-{party}"), 0)
    }

    /// The bytes of the marks of these messages: 1 for one that was seen.
    pub fn marks(&self, group: &str, stream: usize, from: u64, to: u64) -> Vec<u8> {
        let mut marks = vec![0; to.saturating_sub(from) as usize];
        // A group that has not started yet has seen nothing.
        if let Ok(file) = File::open(self.folder.join(format!("marks-{group}"))) {
            let _ = file.read_exact_at(&mut marks, stream as u64 * self.messages_max + from);
        }
        marks
    }

    pub fn seen(&self, group: &str, stream: usize) -> Seen {
        let sent = self.sent(stream);
        // One that was killed between sending a message and counting it has sent one more.
        let marks = self.marks(group, stream, 0, (sent + 1).min(self.messages_max));
        let mut seen = Seen {
            chains: self.number(&format!("chains-{group}"), stream as u64 * 8),
            ..Seen::default()
        };
        let (mut run, mut last) = (0, 1);
        for (number, mark) in marks.iter().enumerate() {
            if *mark != 0 {
                seen.messages += 1;
                seen.lost += run;
                run = 0;
            } else if (number as u64) < sent {
                match (seen.messages, last) {
                    (0, _) => seen.missed_first += 1,
                    (_, 0) => run += 1,
                    _ => {
                        run = 1;
                        seen.gaps += 1;
                    }
                }
            }
            last = *mark;
        }
        seen.lost += run;
        seen
    }

    fn number(&self, file: &str, place: u64) -> u64 {
        let mut bytes = [0; 8];
        if let Ok(file) = File::open(self.folder.join(file)) {
            let _ = file.read_exact_at(&mut bytes, place);
        }
        u64::from_ne_bytes(bytes)
    }
}
