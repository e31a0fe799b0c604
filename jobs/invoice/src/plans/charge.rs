//! What a plan charges for, and how.

use rust_decimal::Decimal;

use super::pattern::PathPattern;

/// A price on one meter's quantity, or a flat one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Names it within its plan version.
    pub id: String,
    /// What it counts. A flat charge needs none.
    pub meter: Option<String>,
    /// The methods whose usage it counts; none: all.
    pub methods: Vec<String>,
    /// The paths whose usage it counts; none: all.
    pub paths: Vec<PathPattern>,
    /// How the quantity becomes an amount.
    pub model: Model,
    /// The least that it costs in a month.
    pub minimum: Option<Decimal>,
    /// The most that it costs in a month.
    pub maximum: Option<Decimal>,
    /// Whether its flat price, or that of its first tier, is owed without any usage.
    pub charge_zero_usage: bool,
}

/// How a quantity becomes an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// Every unit costs the same.
    PerUnit {
        /// The price of one.
        unit: Decimal,
    },
    /// Each tier prices the part of the quantity that lies in it.
    Graduated {
        /// In order; the last one is open.
        tiers: Vec<Tier>,
    },
    /// The tier that the whole quantity reaches prices all of it.
    Volume {
        /// In order; the last one is open.
        tiers: Vec<Tier>,
    },
    /// The quantity is sold in packages; one that is begun is paid in full.
    Package {
        /// How much a package holds.
        size: Decimal,
        /// What one costs.
        price: Decimal,
        /// How much is free before the first.
        free: Decimal,
    },
    /// A price that does not depend on a quantity.
    Flat {
        /// For a month.
        price: Decimal,
    },
}

/// A range of quantities and its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The last quantity in it; none: it has no end.
    pub up_to: Option<Decimal>,
    /// The price of one unit in it.
    pub unit: Decimal,
    /// What it costs to reach it, once a month.
    pub flat: Decimal,
}

impl Charge {
    /// Whether it counts what was used with a method on a path.
    #[must_use]
    pub fn covers(&self, method: &str, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|own| own == method))
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(path)))
    }

    /// Whether its price depends on no quantity.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        matches!(self.model, Model::Flat { .. })
    }
}

impl Model {
    /// The name that the plan file has for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PerUnit { .. } => "per_unit",
            Self::Graduated { .. } => "graduated",
            Self::Volume { .. } => "volume",
            Self::Package { .. } => "package",
            Self::Flat { .. } => "flat",
        }
    }
}
