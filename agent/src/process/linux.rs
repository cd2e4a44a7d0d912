//! What a process of Linux inherits besides.

use std::fs;

use rustix::thread::{CpuSet, sched_setaffinity};

const LIKELY_VICTIM: &str = "/proc/self/oom_score_adj";

/// All processors that its control group allows, and no other chance than others to be ended when memory runs out:
/// a batch system may have marked the job that was first.
pub(super) fn take_usual_share() {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|number| all.set(number));
    let _ = sched_setaffinity(None, &all);
    let more =
        fs::read_to_string(LIKELY_VICTIM).is_ok_and(|now| now.trim().parse::<i32>().is_ok_and(|now| now > 0));
    if more {
        let _ = fs::write(LIKELY_VICTIM, "0");
    }
}
