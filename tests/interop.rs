//! Exchanges between this library and libzmq, for every pair of socket types: each of the two sends and receives, binds and
//! connects, over tcp and ipc, with each driver. The messages are numbered and checksummed, of one to five parts and up to 1 MiB;
//! in the middle libzmq's process is killed, and another takes its place. `tests-c/interop_peer.c` is both peers.
//!
//! A run sends 2,000 messages, a pair of types has sixteen runs. `MONOCOQUE_STRESS=full` sends 10,000 a run, also with the libzmq
//! that is installed.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{Library, Outcome};

/// For a run that hangs.
const LIMIT: Duration = Duration::from_secs(60);
const LIMIT_FULL: Duration = Duration::from_secs(600);

const MESSAGES: u64 = 2_000;
const MESSAGES_FULL: u64 = 10_000;

macro_rules! pairs {
    ($($name:ident: $sender:literal $receiver:literal,)*) => {
        $(
            #[test]
            fn $name() {
                every_way($sender, $receiver, &[None]);
            }
        )*
    };
}

macro_rules! secured_pairs {
    ($($name:ident: $sender:literal $receiver:literal,)*) => {
        $(
            #[test]
            fn $name() {
                every_way($sender, $receiver, &[Some("PLAIN"), Some("CURVE"), Some("CURVE-server-connects")]);
            }
        )*
    };
}

pairs! {
    pair_and_pair: "PAIR" "PAIR",
    pub_and_sub: "PUB" "SUB",
    pub_and_xsub: "PUB" "XSUB",
    xpub_and_sub: "XPUB" "SUB",
    xpub_and_xsub: "XPUB" "XSUB",
    push_and_pull: "PUSH" "PULL",
    req_and_rep: "REQ" "REP",
    req_and_router: "REQ" "ROUTER",
    dealer_and_rep: "DEALER" "REP",
    dealer_and_dealer: "DEALER" "DEALER",
    dealer_and_router: "DEALER" "ROUTER",
    router_and_dealer: "ROUTER" "DEALER",
    router_and_router: "ROUTER" "ROUTER",
}

secured_pairs! {
    pub_and_sub_with_security: "PUB" "SUB",
    push_and_pull_with_security: "PUSH" "PULL",
    dealer_and_router_with_security: "DEALER" "ROUTER",
}

/// One run: who sends and who receives, who binds, and over what.
struct Exchange {
    types: [&'static str; 2],
    libraries: [Library; 2],
    ours_sends: bool,
    sender_binds: bool,
    endpoint: String,
    messages: u64,
    limit: Duration,
    /// Whoever binds is its server, unless it is said to connect.
    mechanism: Option<&'static str>,
}

fn every_way(sender: &'static str, receiver: &'static str, mechanisms: &[Option<&'static str>]) {
    let full = std::env::var("MONOCOQUE_STRESS").is_ok_and(|value| value == "full");
    let (messages, limit) = if full {
        (MESSAGES_FULL, LIMIT_FULL)
    } else {
        (MESSAGES, LIMIT)
    };
    let has_security = mechanisms.iter().any(Option::is_some);
    let mut references = support::further_references();
    if !has_security {
        references.retain(|_| full);
        references.insert(0, support::reference());
    }
    // The bundled libzmq has no CURVE: security takes one that is installed.
    for ours in support::ours() {
        for theirs in &references {
            for (ours_sends, sender_binds) in [(true, true), (true, false), (false, true), (false, false)] {
                for (transport, mechanism) in ["tcp", "ipc"]
                    .into_iter()
                    .flat_map(|transport| mechanisms.iter().map(move |mechanism| (transport, *mechanism)))
                {
                    let folder = ShortFolder::create();
                    let libraries = if ours_sends { [&ours, theirs] } else { [theirs, &ours] }.map(Clone::clone);
                    let exchange = Exchange {
                        types: [sender, receiver],
                        libraries,
                        ours_sends,
                        sender_binds,
                        endpoint: endpoint(transport, &folder.0),
                        messages,
                        limit,
                        mechanism,
                    };
                    if mechanism.is_some() {
                        // The port of a process that has just ended may be taken for a moment, while the kernel ends its ring.
                        let elsewhere = ShortFolder::create();
                        let refused = Exchange {
                            endpoint: endpoint(transport, &elsewhere.0),
                            libraries: exchange.libraries.clone(),
                            ..exchange
                        };
                        refused.run_refused(&elsewhere.0);
                    }
                    exchange.run(&folder.0);
                }
            }
        }
    }
}

impl Exchange {
    fn run(&self, folder: &Path) {
        let program = support::program("tests-c", "interop_peer");
        let board = Board::create(folder.join("board"));
        let (survivor, victim) = if self.ours_sends { (0, 1) } else { (1, 0) };
        let start = |side: usize| self.peer(&program, &board, side);
        thread::scope(|scope| {
            let survivor = scope.spawn(move || start(survivor));
            self.kill_in_the_middle(&program, &board, victim);
            // Publishers wait for their subscriber again.
            board.write(Board::READY, 0);
            let replacement = scope.spawn(move || start(victim));
            board.write(Board::KILLED, 1);
            let survivor = survivor.join().expect("the survivor's thread");
            let replacement = replacement.join().expect("the replacement's thread");
            assert!(
                [&survivor, &replacement]
                    .iter()
                    .all(|peer| peer.status == "exit status: 0"),
                "the survivor: {survivor:?}, the replacement: {replacement:?}, {board:?}, {self}"
            );
        });
        assert_eq!(
            board.read(Board::RECEIVED),
            self.messages,
            "the last message arrived: {board:?}, {self}"
        );
        // A sender that balances and listens has two pipes until it has noticed the end of the old one: of what it gives to both in
        // turn, every second message is lost.
        let balances = self.sender_binds && matches!(self.types[0], "DEALER" | "PUSH");
        assert!(
            balances || board.read(Board::GAPS) <= 1,
            "only the kill leaves a gap: {board:?}, {self}"
        );
    }

    /// The client has the wrong key, or the wrong password: both sides say so, and nothing arrives.
    fn run_refused(&self, folder: &Path) {
        let program = support::program("tests-c", "interop_peer");
        let board = Board::create(folder.join("refused"));
        let start = |side: usize| {
            let mut arguments = self.arguments(&board, side);
            arguments.push("wrong".to_owned());
            self.run_side(&program, &arguments, side)
        };
        let outcomes = thread::scope(|scope| {
            let first = scope.spawn(|| start(0));
            [start(1), first.join().expect("the sender's thread")]
        });
        let are_refused = outcomes.iter().all(|peer| peer.status == "exit status: 0");
        assert!(
            are_refused && board.read(Board::RECEIVED) == 0,
            "{outcomes:?}, {board:?}, {self}"
        );
    }

    /// Runs one side to its end.
    fn peer(&self, program: &Path, board: &Board, side: usize) -> Outcome {
        self.run_side(program, &self.arguments(board, side), side)
    }

    fn run_side(&self, program: &Path, arguments: &[String], side: usize) -> Outcome {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        support::run(program, &arguments, &self.libraries[side], self.limit)
    }

    /// Runs the victim until a fifth of the messages has arrived.
    fn kill_in_the_middle(&self, program: &Path, board: &Board, victim: usize) {
        let (mut command, folder) = support::command(program, &self.libraries[victim]);
        command.args(self.arguments(board, victim)).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run the victim");
        let deadline = Instant::now() + self.limit;
        while board.read(Board::RECEIVED) < self.messages / 5 {
            let status = child.try_wait().expect("the victim's status");
            if status.is_some() || Instant::now() > deadline {
                // It has ended, or it does not matter any more.
                let _ = child.kill();
                let output = child.wait_with_output().expect("the victim's output");
                panic!("the victim, {status:?}: {output:?}, {board:?}, {self}");
            }
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("kill the victim");
        child.wait().expect("wait for the victim");
        fs::remove_dir_all(folder).expect("remove the victim's folder");
    }

    fn arguments(&self, board: &Board, side: usize) -> Vec<String> {
        let binds = self.sender_binds == (side == 0);
        let words = [
            if side == 0 { "send" } else { "receive" },
            self.types[side],
            self.types[1 - side],
            if binds { "bind" } else { "connect" },
            &self.endpoint,
            &board.path.to_string_lossy(),
            &self.messages.to_string(),
        ];
        words.into_iter().chain(self.mechanism).map(str::to_owned).collect()
    }
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [sender, receiver] = [0, 1].map(|side| format!("{} of {}", self.types[side], self.libraries[side].name));
        let role = if self.sender_binds { "binds" } else { "connects" };
        write!(
            formatter,
            "{sender} {role} and sends to {receiver} over {}, {}",
            self.endpoint,
            self.mechanism.unwrap_or("no security")
        )
    }
}

/// The numbers that the peers and the test share; `tests-c/interop_peer.c` describes them.
struct Board {
    path: PathBuf,
    file: File,
}

impl Board {
    const READY: u64 = 0;
    const RECEIVED: u64 = 2;
    const KILLED: u64 = 3;
    const GAPS: u64 = 6;
    const NUMBERS: u64 = 12;

    fn create(path: PathBuf) -> Board {
        fs::write(&path, [0; 8 * Board::NUMBERS as usize]).expect("create the board");
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .expect("open the board");
        Board { path, file }
    }

    fn read(&self, index: u64) -> u64 {
        let mut number = [0; 8];
        self.file.read_exact_at(&mut number, 8 * index).expect("read the board");
        u64::from_ne_bytes(number)
    }

    fn write(&self, index: u64, number: u64) {
        self.file
            .write_all_at(&number.to_ne_bytes(), 8 * index)
            .expect("write the board");
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            "ready", "next", "received", "killed", "done", "messages", "gaps", "returned",
        ];
        formatter
            .debug_map()
            .entries(names.into_iter().zip((0..).map(|index| self.read(index))))
            .finish()
    }
}

/// A folder whose name leaves room in the address of a unix socket; it goes with its owner.
struct ShortFolder(PathBuf);

impl ShortFolder {
    fn create() -> ShortFolder {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("monocoque-interop-{}-{number}", std::process::id()));
        fs::create_dir(&folder).expect("a folder for the run");
        ShortFolder(folder)
    }
}

impl Drop for ShortFolder {
    fn drop(&mut self) {
        // What is left in it costs nothing.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An address that can be bound again after a kill: for tcp a port that is free now.
fn endpoint(transport: &str, folder: &Path) -> String {
    if transport == "ipc" {
        return format!("ipc://{}", folder.join("socket").display());
    }
    format!("tcp://127.0.0.1:{}", free_port())
}

/// A free port below those that the kernel gives to whoever asks for any: another program's wildcard bind, or connection, may take
/// one of those before a peer binds it, and then the other peer talks to a stranger.
fn free_port() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let candidates = std::iter::repeat_with(|| {
        let number = std::process::id()
            .wrapping_mul(97)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        20_000 + number % 12_000
    });
    let is_free = |port: &u32| std::net::TcpListener::bind(format!("127.0.0.1:{port}")).is_ok();
    candidates.take(12_000).find(is_free).expect("a free port")
}
