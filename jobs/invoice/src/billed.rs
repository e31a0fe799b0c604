//! What final invoices billed for a month so far, and what that month comes to as its usage is known now.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;

use anyhow::{Context, Result};
use meterlake_core::notes::NotAdjusted;
use meterlake_core::period::Month;
use meterlake_core::run::one_line;
use meterlake_core::store::visible_objects;
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use rust_decimal::Decimal;

use crate::exact::sum;
use crate::export::AMOUNT_SCALE;
use crate::left_out::not_adjusted;
use crate::look::{FinalMonth, KEPT_PLANS, LINE_ITEMS_FOLDER, Work};
use crate::plan_file::PlanFile;
use crate::rating::LineKind;

/// A final month and what later invoices must correct in it.
pub(crate) struct Adjusted {
    pub(crate) month: Month,
    /// The plans that it was made final with: they price its usage for good.
    pub(crate) plan_file: PlanFile,
    /// By customer.
    pub(crate) billed: HashMap<String, Billed>,
}

/// What a customer was billed for a month, by all final invoices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Billed {
    pub(crate) net: Decimal,
    pub(crate) tax: Decimal,
}

/// Reads the plans of every month that is adjusted, and what the final invoices billed for it. A month whose plans are
/// no plan file by today's rules has no price any more: it is adjusted for nobody, and given beside the others.
///
/// # Errors
/// A final month's files are gone, or its line items cannot be read.
pub(crate) async fn read(work: &Work<'_>) -> Result<(Vec<Adjusted>, Vec<NotAdjusted>)> {
    let mut by_month: BTreeMap<Month, HashMap<String, Billed>> =
        work.adjusted().map(|one| (one.month, HashMap::new())).collect();
    if by_month.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    for one in &work.finals {
        let folder = one.folder().join(LINE_ITEMS_FOLDER);
        for object in visible_objects(&*work.lake.store, &folder).await? {
            let read = || format!("the line items of the final month {} cannot be read", one.month);
            let content = work.lake.store.read(&object.location).await?.with_context(read)?;
            let columns = ["customer_id", "kind", "usage_month", "amount"].map(str::to_owned).into();
            let frame = ParquetReader::new(Cursor::new(content)).with_columns(Some(columns)).finish();
            add(&frame.with_context(read)?, &mut by_month).with_context(read)?;
        }
    }
    let (mut adjusted, mut uncorrected) = (Vec::new(), Vec::new());
    for (month, billed) in by_month {
        let Some(one) = work.adjusted().find(|one| one.month == month) else { continue };
        match kept_plans(work, one).await? {
            Ok(plan_file) => adjusted.push(Adjusted { month, plan_file, billed }),
            Err(error) => {
                let why = one_line(&error);
                tracing::warn!(
                    month = %work.month,
                    adjusted = %month,
                    "the final month {month} is corrected for nobody: the plans that it was made final with cannot be \
                     read any more: {why}"
                );
                uncorrected.push(not_adjusted(month, &why));
            }
        }
    }
    Ok((adjusted, uncorrected))
}

/// The plans that a month was made final with; or why they are none.
///
/// # Errors
/// They are gone, or the store failed.
async fn kept_plans(work: &Work<'_>, one: &FinalMonth) -> Result<Result<PlanFile>> {
    let location = one.folder().join(KEPT_PLANS);
    let content = work.lake.store.read(&location).await?;
    let content =
        content.with_context(|| format!("the plans of the final month {} are gone: {location}", one.month))?;
    Ok(PlanFile::parse(&location, content, &work.meters))
}

fn add(frame: &DataFrame, by_month: &mut BTreeMap<Month, HashMap<String, Billed>>) -> Result<()> {
    let text = |name: &str| -> Result<_> { Ok(frame.column(name)?.str()?.clone()) };
    let (customers, kinds, months) = (text("customer_id")?, text("kind")?, text("usage_month")?);
    let amounts = frame.column("amount")?.decimal()?.clone();
    for row in 0..frame.height() {
        let month: Month = months.get(row).unwrap_or_default().parse()?;
        let Some(billed) = by_month.get_mut(&month) else { continue };
        let mantissa = amounts.physical().get(row).unwrap_or_default();
        let amount = Decimal::try_from_i128_with_scale(mantissa, AMOUNT_SCALE)?.normalize();
        let customer = customers.get(row).unwrap_or_default();
        if !billed.contains_key(customer) {
            billed.insert(customer.to_owned(), Billed::default());
        }
        let Some(billed) = billed.get_mut(customer) else { continue };
        let side = if kinds.get(row) == Some(LineKind::Tax.name()) { &mut billed.tax } else { &mut billed.net };
        *side = sum(*side, amount)?;
    }
    Ok(())
}
