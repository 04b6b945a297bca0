"""Whether a run folder is whole: every file is looked at, each finding is a line with what to do about it."""

from fallline.store.verify.finding import Finding, Verification
from fallline.store.verify.folder import verify
from fallline.store.verify.repair import repair

__all__ = ["Finding", "Verification", "repair", "verify"]
