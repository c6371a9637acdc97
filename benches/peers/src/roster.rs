//! Who takes part.

/// A program that answers to the contract.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) origin: Origin,
    /// Which of its ways it goes, where it has several.
    pub(crate) variant: Option<&'static str>,
    /// Works off or delivers at most so many: one that is slow must not hold up the others. The rate is what is compared.
    pub(crate) at_most: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    /// The bare SQL.
    Floor,
    Peer,
    /// Somebody else's SQL in a loop inside the server, without a client: no peer to be compared with, but of interest.
    InServer,
}

/// Where a program comes from; folders are below `benches/peers`.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A binary of this package.
    Binary(&'static str),
    /// A crate with a lock file of its own, and its binary.
    Crate { folder: &'static str, binary: &'static str },
    /// A package of npm's; run by the node that is here if it is new enough, else by one from npm.
    Node { folder: &'static str },
    /// A module of Go's, and its binary.
    Go { folder: &'static str, binary: &'static str },
    /// A project of Maven's, and the jar that it makes.
    Maven { folder: &'static str, jar: &'static str },
    /// Not to be had here, and why.
    Absent(&'static str),
}

const fn peer(name: &'static str, origin: Origin) -> Program {
    Program { name, side: Side::Peer, origin, variant: None, at_most: u32::MAX }
}

const fn rust(folder: &'static str, binary: &'static str) -> Origin {
    Origin::Crate { folder, binary }
}

const PGMQ: Origin = rust("rust/pgmq", "tidings-peer-pgmq");

/// In the order of the report's notes.
pub(crate) const PROGRAMS: &[Program] = &[
    Program { side: Side::Ours, ..peer("ours", Origin::Binary("ours")) },
    Program { side: Side::Ours, variant: Some("events"), ..peer("ours-events", Origin::Binary("ours")) },
    Program { side: Side::Ours, variant: Some("batches"), ..peer("ours-batches", Origin::Binary("ours")) },
    Program { side: Side::Floor, ..peer("floor", Origin::Binary("floor")) },
    Program { side: Side::Floor, variant: Some("least"), ..peer("floor-least", Origin::Binary("floor")) },
    peer("graphile-worker", Origin::Node { folder: "node/graphile-worker" }),
    peer("pg-boss", Origin::Node { folder: "node/pg-boss" }),
    peer("river", Origin::Go { folder: "go/river", binary: "river" }),
    peer(
        "spring-modulith",
        Origin::Maven { folder: "java/spring-modulith", jar: "spring-modulith-peer.jar" },
    ),
    peer("apalis-postgres", rust("rust/apalis-postgres", "tidings-peer-apalis-postgres")),
    peer("graphile_worker-rs", rust("rust/graphile-worker", "tidings-peer-graphile-worker")),
    Program { at_most: 2_000, ..peer("underway", rust("rust/underway", "tidings-peer-underway")) },
    peer("pgmq", PGMQ),
    Program { variant: Some("delete"), ..peer("pgmq-delete", PGMQ) },
    Program { side: Side::InServer, variant: Some("server"), ..peer("pgmq-server", PGMQ) },
    peer(
        "oban",
        Origin::Absent(
            "Elixir's packages come from Hex, which is none of the registries that this benchmark uses",
        ),
    ),
];
