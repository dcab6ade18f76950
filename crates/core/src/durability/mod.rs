//! What survives: checkpoint files, and the decision what an opened map may trust.

pub(crate) mod checkpoints;
pub(crate) mod recover;
pub(crate) mod report;
