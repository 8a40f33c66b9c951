//! The goals, and whether what was measured meets them.

/// What a goal is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    ReserveAgainstC2,
    ReserveAgainstFloor,
    BatchAgainstFloor,
    CartAgainstD,
    ReplacesAgainstCart,
    SoldoutAgainstFloor,
    LimitedAgainstFloor,
    ReserveAgainstA,
    LogAgainstC,
    MemoryOfOrder,
    SlowestWhileGrowing,
    SlowestWhileRollingOver,
    DueBack,
    DueDelay,
    DueBackEvents,
    DueDelayEvents,
    Unlink,
    Flushall,
    RdbSave,
    RdbLoad,
    RdbSize,
    ShardAgainstPool,
    BalancerCost,
}

/// On which side of the number is right.
#[derive(Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

pub struct Goal {
    pub measure: Measure,
    pub text: &'static str,
    pub bound: Bound,
    /// How the number is written, and its unit.
    pub unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Ratio,
    Bytes,
    Ms,
    Seconds,
    Times,
    Percent,
}

const fn goal(measure: Measure, text: &'static str, bound: Bound, unit: Unit) -> Goal {
    Goal { measure, text, bound, unit }
}

/// In the order in which they are printed.
pub const GOALS: [Goal; 23] = {
    use Bound::{AtLeast, AtMost};
    use Unit::{Bytes, Ms, Percent, Ratio, Seconds, Times};
    [
        goal(Measure::ReserveAgainstC2, "RESERVE with 3 limits against C2, CPU", AtMost(1.0 / 12.0), Ratio),
        goal(Measure::ReserveAgainstFloor, "RESERVE with 3 limits against the floor, throughput", AtLeast(0.7), Ratio),
        goal(Measure::BatchAgainstFloor, "RESERVEBATCH of 64, an order against the floor, CPU", AtMost(1.0), Ratio),
        goal(Measure::CartAgainstD, "MRESERVE 3 × 3 against D, CPU", AtMost(1.0 / 12.0), Ratio),
        goal(Measure::ReplacesAgainstCart, "MRESERVE … REPLACES 3 × 3 against MRESERVE, CPU", AtMost(1.6), Ratio),
        goal(Measure::SoldoutAgainstFloor, "SOLDOUT against the floor, throughput", AtLeast(0.9), Ratio),
        goal(Measure::LimitedAgainstFloor, "LIMITED against the floor, throughput", AtLeast(0.9), Ratio),
        goal(Measure::ReserveAgainstA, "RESERVE with 3 limits: how much less CPU than A", AtLeast(1.5), Times),
        goal(Measure::LogAgainstC, "AOF bytes of RESERVE with 3 limits against C", AtMost(0.5), Ratio),
        goal(Measure::MemoryOfOrder, "memory per live order, worst point", AtMost(120.0), Bytes),
        goal(Measure::SlowestWhileGrowing, "slowest call while a pool grows, CPU", AtMost(1.0), Ms),
        goal(Measure::SlowestWhileRollingOver, "slowest call while a day window rolls over, CPU", AtMost(1.0), Ms),
        goal(Measure::DueBack, "holds due in one second: all back, events off", AtMost(10.0), Seconds),
        goal(Measure::DueDelay, "the same, events off: longest that the server kept calls waiting", AtMost(2.0), Ms),
        goal(Measure::DueBackEvents, "holds due in one second: all back, events on", AtMost(10.0), Seconds),
        goal(
            Measure::DueDelayEvents,
            "the same, events on: longest that the server kept calls waiting",
            AtMost(2.0),
            Ms,
        ),
        goal(Measure::Unlink, "UNLINK of a big pool, main thread", AtMost(1.0), Ms),
        goal(Measure::Flushall, "FLUSHALL ASYNC with a big pool, main thread", AtMost(1.0), Ms),
        goal(Measure::RdbSave, "RDB against the keys of C: save, how much faster", AtLeast(3.0), Times),
        goal(Measure::RdbLoad, "RDB against the keys of C: load, how much faster", AtLeast(3.0), Times),
        goal(Measure::RdbSize, "RDB against the keys of C: size", AtMost(0.5), Ratio),
        goal(
            Measure::ShardAgainstPool,
            "a bucket of four against one pool, calls per CPU second",
            AtLeast(0.93),
            Ratio,
        ),
        goal(Measure::BalancerCost, "a balancer at 1,000 moves a second, of each server's core", AtMost(2.0), Percent),
    ]
};

/// What was measured for a goal.
pub struct Finding {
    pub measure: Measure,
    pub figure: f64,
    /// How it came about: spread, sizes.
    pub detail: String,
    /// Why it does not speak for the goal: a run at a smaller size.
    pub caveat: Option<String>,
}

/// What is said about a goal.
#[derive(PartialEq, Debug)]
pub enum Verdict {
    Met,
    NotMet,
    /// With the reason.
    NotJudged(String),
}

impl Goal {
    /// Judges what was found; `findings` may have none for this goal.
    pub fn judge(&self, findings: &[Finding]) -> (Verdict, String) {
        let Some(found) = findings.iter().find(|finding| finding.measure == self.measure) else {
            return (Verdict::NotJudged("not measured".into()), String::new());
        };
        let text = format!("{} ({})", self.unit.write(found.figure), found.detail);
        let verdict = match (&found.caveat, self.bound.holds(found.figure)) {
            // A figure that is no number speaks for nothing.
            _ if !found.figure.is_finite() => Verdict::NotJudged("not a number".into()),
            (Some(why), _) => Verdict::NotJudged(why.clone()),
            (None, true) => Verdict::Met,
            (None, false) => Verdict::NotMet,
        };
        (verdict, text)
    }

    /// The bound in words.
    pub fn wanted(&self) -> String {
        match self.bound {
            Bound::AtMost(most) => format!("at most {}", self.unit.write(most)),
            Bound::AtLeast(least) => format!("at least {}", self.unit.write(least)),
        }
    }
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl Unit {
    fn write(self, figure: f64) -> String {
        match self {
            Self::Ratio if figure > 0.0 && figure < 0.2 => format!("1/{:.1} = {figure:.3}", 1.0 / figure),
            Self::Ratio => format!("{figure:.2}"),
            Self::Bytes => format!("{figure:.1} bytes"),
            Self::Ms => format!("{figure:.3} ms"),
            Self::Seconds => format!("{figure:.2} s"),
            Self::Times => format!("{figure:.2} times"),
            Self::Percent => format!("{figure:.2} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(measure: Measure, figure: f64, caveat: Option<&str>) -> Verdict {
        let goal = GOALS.iter().find(|goal| goal.measure == measure).expect("every measure has a goal");
        let caveat = caveat.map(String::from);
        goal.judge(&[Finding { measure, figure, detail: String::new(), caveat }]).0
    }

    #[test]
    fn a_bound_holds_on_one_side() {
        assert_eq!(verdict(Measure::ReserveAgainstC2, 1.0 / 12.0, None), Verdict::Met);
        assert_eq!(verdict(Measure::ReserveAgainstC2, 1.0 / 11.9, None), Verdict::NotMet);
        assert_eq!(verdict(Measure::ReserveAgainstFloor, 0.7, None), Verdict::Met);
        assert_eq!(verdict(Measure::ReserveAgainstFloor, 0.69, None), Verdict::NotMet);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let nothing = GOALS[0].judge(&[]);
        assert_eq!(nothing.0, Verdict::NotJudged("not measured".into()));
        assert_eq!(verdict(Measure::RdbSize, f64::NAN, None), Verdict::NotJudged("not a number".into()));
        assert_eq!(verdict(Measure::RdbSize, 0.1, Some("small")), Verdict::NotJudged("small".into()));
    }

    #[test]
    fn each_measure_has_one_goal() {
        for goal in &GOALS {
            assert_eq!(GOALS.iter().filter(|other| other.measure == goal.measure).count(), 1, "{}", goal.text);
        }
    }

    #[test]
    fn figures_are_written_in_their_unit() {
        let written = |measure, figure| {
            let goal = GOALS.iter().find(|goal| goal.measure == measure).expect("a goal");
            goal.judge(&[Finding { measure, figure, detail: "why".into(), caveat: None }]).1
        };
        assert_eq!(written(Measure::ReserveAgainstC2, 0.0625), "1/16.0 = 0.062 (why)");
        assert_eq!(written(Measure::SoldoutAgainstFloor, 0.951), "0.95 (why)");
        assert_eq!(written(Measure::MemoryOfOrder, 99.96), "100.0 bytes (why)");
        assert_eq!(GOALS[0].wanted(), "at most 1/12.0 = 0.083");
    }
}
