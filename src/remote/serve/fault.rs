//! Errors of this end in the words of the talk (floor 5). What the caller has to tell apart stays apart.
//!
//! A [`Fault`] that has an error of the same name carries what that error carries, so that the client says the same as we would.

use crate::format::Error as FormatError;
use crate::fs::Error as FsError;
use crate::manifest::Error as ManifestError;
use crate::mirror::Error as MirrorError;
use crate::remote::message::Fault;
use crate::scan::selection::BadGlob;
use crate::store::Error as StoreError;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSnapshot(sequence) => Self::NoSnapshot(sequence),
            StoreError::Damaged { .. } | StoreError::BadBlock { .. } | StoreError::MissingChunk(_) => {
                Self::Damaged(error.to_string())
            }
            StoreError::Unreadable(why) => Self::Unreadable(why),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<ManifestError> for Fault {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Store(error) => error.into(),
            ManifestError::Node { .. } | ManifestError::Wrong { .. } | ManifestError::Length => {
                Self::Damaged(error.to_string())
            }
            ManifestError::Entry { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<MirrorError> for Fault {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Locked(place) => Self::Locked(place),
            MirrorError::Refused(why) => Self::Refused(why),
            MirrorError::Store(error) => error.into(),
            MirrorError::Manifest(error) => error.into(),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<FsError> for Fault {
    fn from(error: FsError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<BadGlob> for Fault {
    fn from(error: BadGlob) -> Self {
        Self::Refused(error.to_string())
    }
}

/// A question that does not fit what was asked before.
pub(super) fn out_of_turn(what: &str) -> Fault {
    Fault::Refused(format!("the client asked for something out of turn: {what} (nothing was written)"))
}
