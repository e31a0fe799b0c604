//! Which plan version applies on which days of a month.

use meterlake_core::period::{Day, Month, Period};

use super::{CustomerPlan, PlanVersion, Plans};

/// Some of the days of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayShare {
    covered: u32,
    of: u32,
}

impl DayShare {
    /// A whole month.
    pub const WHOLE: Self = Self { covered: 1, of: 1 };

    /// `covered` of a month's `of` days; at least one day and at most all of them.
    #[must_use]
    pub fn new(covered: u32, of: u32) -> Self {
        let of = of.max(1);
        Self { covered: covered.clamp(1, of), of }
    }

    /// The days that are covered.
    #[must_use]
    pub fn covered(self) -> u32 {
        self.covered
    }

    /// The days of the month.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether the whole month is covered.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.covered == self.of
    }
}

/// A plan version and the days of a month on which it applies to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanPeriod<'p> {
    /// The version.
    pub version: &'p PlanVersion,
    /// The first day.
    pub first: Day,
    /// The last day, of the same month.
    pub last: Day,
}

impl<'p> PlanPeriod<'p> {
    /// A version on all days of the month of a day.
    #[must_use]
    pub fn month_of(version: &'p PlanVersion, day: Day) -> Self {
        let month = day.month();
        Self { version, first: first_of(month), last: first_of(month.next()).previous() }
    }

    /// Whether it applies on a day.
    #[must_use]
    pub fn covers(&self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// How much of the month it covers.
    #[must_use]
    pub fn days(&self) -> DayShare {
        let month = self.first.month();
        DayShare::new(days_between(self.first, self.last.next()), days_between(first_of(month), first_of(month.next())))
    }
}

impl Plans {
    /// The plan versions that apply to a customer in a month, by date; they never overlap.
    ///
    /// A customer with plans of their own has no others: the days between and after them are covered by none, so that
    /// whoever left is not moved to the default plan. Everybody else has the default plan. A day before a plan's first
    /// version is covered by none.
    #[must_use]
    pub fn periods(&self, customer: &str, month: Month) -> Vec<PlanPeriod<'_>> {
        let mut periods = Vec::new();
        match self.customer(customer).map(|customer| customer.plans.as_slice()) {
            None | Some([]) => {
                let default = self.default_plan.as_deref().map(|plan| (plan, None, None));
                periods.extend(default.into_iter().flat_map(|(plan, from, to)| self.covered(plan, from, to, month)));
            }
            Some(own) => {
                for CustomerPlan { plan, from, to } in own {
                    periods.extend(self.covered(plan, *from, *to, month));
                }
            }
        }
        periods.sort_by_key(|period| period.first);
        join_neighbours(periods)
    }

    /// Why no plan covers a customer on some day, and what to write into the plan file so that one does.
    #[must_use]
    pub fn why_uncovered(&self, customer: &str) -> String {
        if self.customer(customer).is_some_and(|customer| !customer.plans.is_empty()) {
            return "the customer has plans of its own, and none for then: give it one".to_owned();
        }
        let Some(default) = &self.default_plan else {
            return "no plan covers the customer then: give it one, or set default_plan".to_owned();
        };
        match self.versions(default).first() {
            Some(first) => format!(
                "the default plan `{default}` covers days from {} on: let it begin earlier, or give the customer a \
                 plan for then",
                first.effective_from
            ),
            None => format!("the default plan `{default}` has no version"),
        }
    }

    /// Whether the plan versions of anybody change on a day inside the month, so that its days must be told apart.
    #[must_use]
    pub fn change_within(&self, month: Month) -> bool {
        let (first, last) = (first_of(month), first_of(month.next()).previous());
        let begins_inside = |day: Day| first < day && day <= last;
        let versions = self.plans.values().flatten().map(|version| version.effective_from);
        let own = self.customers().flat_map(|customer| &customer.plans);
        let dates = own.flat_map(|plan| [plan.from, plan.to.map(Day::next)]).flatten();
        versions.chain(dates).any(begins_inside)
    }

    /// The versions of a plan in a month, between two days.
    fn covered(
        &self,
        plan: &str,
        from: Option<Day>,
        to: Option<Day>,
        month: Month,
    ) -> impl Iterator<Item = PlanPeriod<'_>> {
        let versions = self.versions(plan);
        let (month_first, month_last) = (first_of(month), first_of(month.next()).previous());
        versions.iter().enumerate().filter_map(move |(at, version)| {
            let superseded = versions.get(at + 1).map(|next| next.effective_from.previous());
            let first = [Some(month_first), Some(version.effective_from), from].into_iter().flatten().max()?;
            let last = [Some(month_last), superseded, to].into_iter().flatten().min()?;
            (first <= last).then_some(PlanPeriod { version, first, last })
        })
    }
}

/// A plan that is listed twice in a row is one plan: its tiers do not start anew.
fn join_neighbours(periods: Vec<PlanPeriod<'_>>) -> Vec<PlanPeriod<'_>> {
    let mut joined: Vec<PlanPeriod<'_>> = Vec::with_capacity(periods.len());
    for period in periods {
        match joined.last_mut() {
            Some(before) if std::ptr::eq(before.version, period.version) && before.last.next() == period.first => {
                before.last = period.last;
            }
            _ => joined.push(period),
        }
    }
    joined
}

fn first_of(month: Month) -> Day {
    Day::containing(month.start())
}

fn days_between(from: Day, to: Day) -> u32 {
    u32::try_from((to.date() - from.date()).num_days()).unwrap_or_default()
}
