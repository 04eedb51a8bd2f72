//! The scenes of the soak: who talks to whom, over what, on which library, and what may happen to them.

use crate::support::Library;

/// What may happen to the clients of a scene.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// They are stopped for a while. Nothing may be lost.
    Stops,
    /// They are also killed, and replaced.
    Kills,
    /// Their connections are also reset, delayed and stalled: each goes through a forwarder of its own.
    Network,
    /// The hub is killed, and replaced.
    HubKills,
}

/// What is asked of the accounts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One sender and one receiver: a piece is missing for each lost connection at most.
    Pieces,
    /// As [`Rule::Pieces`], but that what was published before the subscription is no loss.
    Published,
    /// Several receivers share a stream: what each lost connection held is bounded.
    Shared,
    /// Requests are repeated, so that only progress counts.
    Asked,
    /// The party sees to it itself.
    Itself,
}

/// Where a client's messages come from and go to.
pub struct Client {
    pub kind: &'static str,
    pub library: Library,
    /// Which of the hub's endpoints it connects to.
    pub endpoint: usize,
}

pub struct Scene {
    pub name: &'static str,
    pub hub_kind: &'static str,
    pub hub_library: Library,
    /// What the hub binds to.
    pub endpoints: Vec<&'static str>,
    pub mechanism: &'static str,
    pub harm: Harm,
    pub rule: Rule,
    pub clients: Vec<Client>,
    pub messages_per_second: u32,
}

const TCP: &str = "tcp://127.0.0.1:*";

/// Every scene, on these libraries.
pub fn all(uring: &Library, epoll: &Library, theirs: &Library, has_curve: bool) -> Vec<Scene> {
    let scene = |name,
                 hub_kind,
                 hub: &Library,
                 endpoints: &[&'static str],
                 harm,
                 rule,
                 clients: &[(&'static str, &Library)]| Scene {
        name,
        hub_kind,
        hub_library: hub.clone(),
        endpoints: endpoints.to_vec(),
        mechanism: "NULL",
        harm,
        rule,
        clients: clients
            .iter()
            .map(|&(kind, library)| Client {
                kind,
                library: library.clone(),
                endpoint: usize::from(kind == "sub" && hub_kind == "proxy"),
            })
            .collect(),
        messages_per_second: 400,
    };
    use Harm::{HubKills, Kills, Network, Stops};
    let mut scenes = vec![
        scene(
            "collect",
            "pull",
            uring,
            &[TCP],
            Network,
            Rule::Pieces,
            &[("push", epoll), ("push", uring), ("push", theirs)],
        ),
        scene(
            "share",
            "push",
            epoll,
            &["ipc://hub"],
            Kills,
            Rule::Shared,
            &[("pull", uring), ("pull", theirs), ("pull", theirs)],
        ),
        scene(
            "publish",
            "pub",
            uring,
            &[TCP],
            Network,
            Rule::Published,
            &[("sub", epoll), ("sub", theirs), ("sub", theirs)],
        ),
        scene(
            "ask",
            "rep",
            epoll,
            &[TCP],
            Network,
            Rule::Asked,
            &[("req", uring), ("req", theirs), ("req", theirs)],
        ),
        scene(
            "route",
            "router",
            uring,
            &[TCP],
            Network,
            Rule::Pieces,
            &[("dealer", epoll), ("dealer", theirs), ("dealer", theirs)],
        ),
        scene(
            "pair",
            "pair",
            epoll,
            &[TCP],
            Network,
            Rule::Pieces,
            &[("pair", theirs)],
        ),
        scene(
            "broker",
            "proxy",
            epoll,
            &[TCP, TCP],
            Network,
            Rule::Published,
            &[("pub", uring), ("pub", theirs), ("sub", epoll), ("sub", theirs)],
        ),
        scene(
            "steady",
            "router",
            uring,
            &[TCP],
            Stops,
            Rule::Pieces,
            &[("dealer", epoll), ("dealer", theirs)],
        ),
        scene(
            "steady-ipc",
            "pull",
            epoll,
            &["ipc://hub"],
            Stops,
            Rule::Pieces,
            &[("push", uring), ("push", theirs)],
        ),
        scene(
            "keep",
            "pull",
            theirs,
            &["ipc://hub"],
            HubKills,
            Rule::Pieces,
            &[("push", uring), ("push", epoll)],
        ),
        scene("inside", "inproc", uring, &[], Stops, Rule::Itself, &[]),
        scene("inside-epoll", "inproc", epoll, &[], Stops, Rule::Itself, &[]),
    ];
    for scene in &mut scenes {
        match scene.name {
            "ask" => scene.mechanism = "PLAIN",
            "publish" | "steady" if has_curve => scene.mechanism = "CURVE",
            "pair" => scene.messages_per_second = 800,
            _ => {}
        }
    }
    scenes
}
