//! The process that is attacked (`victim.c`), on one of the drivers: what it prints, its memory and its descriptors.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{self, Library};

/// How long to wait for what must come.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A running victim. It goes with its owner.
pub struct Victim {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// What was printed and not asked for yet.
    kept: VecDeque<String>,
    endpoint: String,
    folder: PathBuf,
}

impl Victim {
    /// One that binds to a port of its own.
    pub fn bind(library: &Library, socket_type: &str, mechanism: &str, settings: &[&str]) -> Victim {
        let mut victim = Victim::start(library, "bind", socket_type, mechanism, "tcp://127.0.0.1:*", settings);
        victim.endpoint = victim.expect("endpoint ");
        victim
    }

    /// One that connects to that address.
    pub fn connect(library: &Library, socket_type: &str, mechanism: &str, to: SocketAddr, settings: &[&str]) -> Victim {
        Victim::start(
            library,
            "connect",
            socket_type,
            mechanism,
            &format!("tcp://{to}"),
            settings,
        )
    }

    fn start(
        library: &Library,
        role: &str,
        socket_type: &str,
        mechanism: &str,
        endpoint: &str,
        settings: &[&str],
    ) -> Victim {
        let program = support::program("tests/security", "victim");
        let (mut command, folder) = support::command(&program, library);
        command.args([role, socket_type, mechanism, endpoint]).args(settings);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run the victim");
        let output = BufReader::new(child.stdout.take().expect("stdout"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Victim {
            input: child.stdin.take().expect("stdin"),
            child,
            lines,
            kept: VecDeque::new(),
            endpoint: endpoint.to_owned(),
            folder,
        }
    }

    /// A plain connection to it.
    pub fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.endpoint.trim_start_matches("tcp://")).expect("connect to the victim");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(LIMIT)).expect("SO_RCVTIMEO");
        stream.set_write_timeout(Some(LIMIT)).expect("SO_SNDTIMEO");
        stream
    }

    /// Waits for a line that begins so, and returns the rest of it. Lines before it are kept for [`Victim::heard`].
    pub fn expect(&mut self, start: &str) -> String {
        if let Some(place) = self.kept.iter().position(|line| line.starts_with(start)) {
            let line = self.kept.remove(place).expect("it is there");
            return line[start.len()..].to_owned();
        }
        let deadline = Instant::now() + LIMIT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.starts_with(start) => return line[start.len()..].to_owned(),
                Ok(line) => self.kept.push_back(line),
                Err(error) => panic!("no {start:?}: {error}, {:?}, {:?}", self.child.try_wait(), self.kept),
            }
        }
    }

    /// Everything that was printed and not expected, up to now. What has reached the socket by now is in it.
    pub fn heard(&mut self) -> Vec<String> {
        self.tell("sync");
        self.expect("synced");
        self.kept.drain(..).collect()
    }

    /// Writes a line to it.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap_or_else(|error| panic!("{error}: {:?}", self.child.try_wait()));
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).expect("the victim's descriptors").count()
    }

    /// Waits until it has so many descriptors open, or fewer.
    pub fn wait_for_descriptors(&self, most: usize, what: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.descriptors() > most {
            assert!(
                Instant::now() < deadline,
                "{what}: {} descriptors are open, not {most}",
                self.descriptors()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has in memory of its own, in KiB.
    pub fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the victim's status");
        let line = status
            .lines()
            .find(|line| line.starts_with("RssAnon:"))
            .expect("RssAnon");
        line.split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok())
            .expect("a number of KiB")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
        if !thread::panicking() {
            assert!(matches!(ended, Ok(None)), "the victim is alive at the end: {ended:?}");
        }
    }
}
