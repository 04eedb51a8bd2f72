//! One party of a scene: a process (`party.c`) on one of the libraries, in one of its lives.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::support::{self, Library};

/// How a party is started, in each of its lives.
pub struct Role {
    pub name: String,
    /// What the program calls it: `push`, `proxy`.
    pub kind: &'static str,
    pub library: Library,
    /// The file of marks that it shares.
    pub group: String,
    pub is_binding: bool,
    pub mechanism: &'static str,
    pub messages_per_second: u32,
    pub endpoints: Vec<String>,
}

/// A life of a party. Its process ends with it.
pub struct Party {
    child: Child,
    run_folder: PathBuf,
    output: PathBuf,
    pub is_stopped: bool,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub memory_kib: u64,
    /// Without those of epoll.
    pub descriptors: usize,
    /// A socket of ours has one once it has had more than four peers, also those that were just lost.
    pub epolls: usize,
    pub threads: usize,
}

impl Party {
    pub fn start(role: &Role, folder: &Path, stream: usize, messages_max: u64) -> Party {
        let program = support::program("tests/soak", "party");
        let (mut command, run_folder) = support::command(&program, &role.library);
        let output = folder.join(format!("output-{}", role.name));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&output)
            .expect("a file for what it prints");
        command.args([role.kind, &role.name]).arg(folder).arg(&role.group);
        command.args([stream.to_string(), messages_max.to_string()]);
        command.args([if role.is_binding { "bind" } else { "connect" }, role.mechanism]);
        command.arg(role.messages_per_second.to_string()).args(&role.endpoints);
        // Paths of ipc endpoints are relative to it: absolute ones may be too long.
        command.current_dir(folder);
        command
            .stdout(file.try_clone().expect("the file"))
            .stderr(file)
            .stdin(Stdio::null());
        Party {
            child: command.spawn().expect("start a party"),
            run_folder,
            output,
            is_stopped: false,
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("kill a party");
        self.child.wait().expect("wait for a party");
    }

    /// Stops the process, or lets it go on.
    pub fn set_stopped(&mut self, stopped: bool) {
        let signal = if stopped { "STOP" } else { "CONT" };
        let command = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status();
        // It may have ended by itself, which is seen elsewhere.
        status.expect("run sh");
        self.is_stopped = stopped;
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("look at a party")
    }

    /// What all lives of it have printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    pub fn usage(&self) -> Usage {
        let of_process = |name: &str| format!("/proc/{}/{name}", self.child.id());
        let descriptors = fs::read_dir(of_process("fd")).into_iter().flatten();
        let (epolls, others): (Vec<PathBuf>, Vec<PathBuf>) = descriptors
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .partition(|target| target.ends_with("anon_inode:[eventpoll]"));
        let status = fs::read_to_string(of_process("status")).unwrap_or_default();
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let memory = memory.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Usage {
            memory_kib: memory.unwrap_or(0),
            descriptors: others.len(),
            epolls: epolls.len(),
            threads: self.threads(),
        }
    }
}

impl Party {
    /// Without the kernel's own, which work for an io_uring and come and go.
    fn threads(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let names = tasks
            .into_iter()
            .flatten()
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| !name.starts_with("iou-wrk")).count()
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.run_folder);
    }
}
