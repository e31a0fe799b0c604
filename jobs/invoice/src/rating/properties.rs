//! What holds for every price and every quantity.

use meterlake_core::period::{Day, Month};
use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::tests::{charge, number, plans};
use super::*;
use crate::plans::{Charge, DayShare, Model, PlanPeriod, Tier};

/// Up to a million, in thousandths.
fn quantity() -> impl Strategy<Value = Decimal> {
    (0_i64..1_000_000_000).prop_map(|thousandths| Decimal::new(thousandths, 3))
}

/// A price with up to nine decimals.
fn price() -> impl Strategy<Value = Decimal> {
    (0_i64..10_000_000_000).prop_map(|mantissa| Decimal::new(mantissa, 9))
}

/// Tiers whose widths are fractions too.
fn tiers() -> impl Strategy<Value = Vec<Tier>> {
    let bounded = vec((1_i64..200_000_000, price(), price()), 0..5);
    (bounded, price(), price()).prop_map(|(bounded, unit, flat)| {
        let mut up_to = Decimal::ZERO;
        let mut tiers = Vec::new();
        for (width, unit, flat) in bounded {
            up_to += Decimal::new(width, 3);
            tiers.push(Tier { up_to: Some(up_to), unit, flat });
        }
        tiers.push(Tier { up_to: None, unit, flat });
        tiers
    })
}

fn without_flat(tiers: Vec<Tier>) -> Vec<Tier> {
    tiers.into_iter().map(|tier| Tier { flat: Decimal::ZERO, ..tier }).collect()
}

fn with_model(model: Model) -> Charge {
    Charge { model, ..charge("model = 'per_unit'\nunit = 1") }
}

fn amount(charge: &Charge, quantity: Decimal) -> Decimal {
    charge.price(quantity, DayShare::WHOLE).unwrap().amount.to_decimal().unwrap()
}

/// Every model, with some price.
fn model() -> impl Strategy<Value = Model> {
    prop_oneof![
        price().prop_map(|unit| Model::PerUnit { unit }),
        tiers().prop_map(|tiers| Model::Graduated { tiers }),
        tiers().prop_map(|tiers| Model::Volume { tiers }),
        (1_i64..100_000, price(), quantity()).prop_map(|(size, price, free)| Model::Package {
            size: Decimal::new(size, 2),
            price,
            free
        }),
        price().prop_map(|price| Model::Flat { price }),
    ]
}

proptest! {
    #[test]
    fn every_quantity_falls_in_exactly_one_tier(tiers in tiers(), quantity in quantity()) {
        let price = with_model(Model::Volume { tiers: tiers.clone() }).price(quantity, DayShare::WHOLE).unwrap();
        prop_assert_eq!(price.parts.len(), 1);
        let part = &price.parts[0];
        prop_assert!(quantity > part.over || part.over.is_zero());
        prop_assert!(part.up_to.is_none_or(|up_to| quantity <= up_to));
        let holding = tiers.iter().filter(|tier| tier.up_to == part.up_to).count();
        prop_assert_eq!((holding, part.quantity), (1, quantity));
    }

    #[test]
    fn a_bound_belongs_to_the_tier_that_it_ends(tiers in tiers()) {
        for bound in tiers.iter().filter_map(|tier| tier.up_to) {
            let at = |quantity| {
                let model = Model::Volume { tiers: tiers.clone() };
                with_model(model).price(quantity, DayShare::WHOLE).unwrap().parts[0].up_to
            };
            prop_assert_eq!(at(bound), Some(bound));
            prop_assert_ne!(at(bound + number("0.000000001")), Some(bound));
        }
    }

    #[test]
    fn graduated_tiers_share_the_quantity_without_rest_or_overlap(tiers in tiers(), quantity in quantity()) {
        let price = with_model(Model::Graduated { tiers }).price(quantity, DayShare::WHOLE).unwrap();
        let inside: Decimal = price.parts.iter().map(|part| part.quantity).sum();
        prop_assert_eq!(inside, quantity);
        for pair in price.parts.windows(2) {
            prop_assert_eq!(pair[0].up_to, Some(pair[1].over));
            prop_assert_eq!(pair[0].quantity, pair[1].over - pair[0].over);
        }
    }

    #[test]
    fn a_graduated_charge_without_flat_prices_never_falls_and_never_jumps(
        tiers in tiers().prop_map(without_flat), quantity in quantity(), more in quantity(),
    ) {
        let dearest = tiers.iter().map(|tier| tier.unit).max().unwrap();
        let charge = with_model(Model::Graduated { tiers });
        let rise = amount(&charge, quantity + more) - amount(&charge, quantity);
        prop_assert!(rise >= Decimal::ZERO && rise <= dearest * more);
    }

    #[test]
    fn the_parts_of_a_price_add_up_to_it_on_any_days(model in model(), quantity in quantity(), covered in 1_u32..=30) {
        let days = DayShare::new(covered, 30);
        let price = with_model(model).price(quantity, days).unwrap();
        // Times thirty nothing is left of the division by days, so the sums can be compared exactly.
        let thirtyfold = |part: &Part| {
            let flat = part.flat * Decimal::from(if days.is_whole() { 30 } else { covered });
            part.quantity * part.unit * Decimal::from(30) + flat
        };
        let parts: Decimal = price.parts.iter().map(thirtyfold).sum();
        let whole = (0..30).try_fold(crate::exact::Exact::ZERO, |sum, _| sum.plus(price.amount)).unwrap();
        prop_assert_eq!(whole.to_decimal().unwrap(), parts.normalize());
    }

    #[test]
    fn splitting_usage_across_days_never_changes_what_a_month_costs(
        rows in vec((1_u32..=30, quantity()), 1..40), order in any::<prop::sample::Index>(),
    ) {
        let plans = plans(
            "USD",
            "minimum = 3\n[[plans.charges]]\nid = 'g'\nmeter = 'requests'\nmodel = 'graduated'\n\
             tiers = [{ up_to = '1000.5', unit = '0.001', flat = 1 }, { unit = '0.0007' }]\n\
             [[plans.charges]]\nid = 'p'\nmeter = 'requests'\nmodel = 'package'\nsize = 7\nprice = '0.01'",
        );
        let month: Month = "2023-04".parse().unwrap();
        let rated = |rows: &[(u32, Decimal)]| {
            let mut usage = CustomerMonth::new(&plans, "u", month);
            for (day, quantity) in rows {
                usage.record(Day::of(2023, 4, *day).unwrap(), "GET", "/", |_| Ok(*quantity)).unwrap();
            }
            let lines = usage.lines().unwrap();
            lines.iter().map(|line| (line.kind, line.quantity, line.amount)).collect::<Vec<_>>()
        };
        let whole = rated(&[(1, rows.iter().map(|(_, quantity)| *quantity).sum())]);
        prop_assert_eq!(&rated(&rows), &whole);
        let mut turned = rows.clone();
        turned.rotate_left(order.index(rows.len()));
        prop_assert_eq!(&rated(&turned), &whole);
    }

    #[test]
    fn an_invoice_is_the_sum_of_its_lines_and_lies_within_the_plans_bounds(
        models in vec(model(), 1..5), requests in quantity(), covered_from in 1_u32..=30,
        minimum in 0_i64..1000, width in 0_i64..1000, discount in 0_i64..=100, tax in 0_i64..=100,
    ) {
        let plans = plans("KWD", &format!(
            "minimum = {minimum}\nmaximum = {}\n[[plans.charges]]\nid = 'x'\nmodel = 'flat'\nprice = 0\n[[customers]]\nid = 'c'\ndiscount = '{}'\ntax_rate = '{}'\n\
             plans = [{{ plan = 'a', from = 2023-04-{covered_from:02} }}]",
            minimum + width, Decimal::new(discount, 2), Decimal::new(tax, 2),
        ));
        let mut version = plans.versions("a")[0].clone();
        version.charges = models.into_iter().map(with_model).collect();
        let period = PlanPeriod { version: &version, ..plans.periods("c", "2023-04".parse().unwrap())[0] };
        let terms = plans.terms("c");
        let quantities = vec![requests; version.charges.len()];
        let mut lines = rate(&period, &quantities, terms.tax_rate, plans.currency()).unwrap();
        let before: Decimal = lines.iter().map(|line| line.amount).sum();
        let bound = |bound: i64| {
            let exact = crate::exact::Exact::from(Decimal::from(bound)).share(period.days()).unwrap();
            exact.rounded(3).unwrap()
        };
        prop_assert!(before >= bound(minimum) && before <= bound(minimum + width));
        lines.extend(super::discount(&lines, terms, plans.currency()).unwrap());
        let invoice = Invoice::new(lines, plans.currency()).unwrap();
        let sum: Decimal = invoice.lines.iter().map(|line| line.amount).sum();
        prop_assert_eq!(invoice.totals.total, sum);
        prop_assert_eq!(invoice.totals.subtotal + invoice.totals.tax, sum);
        prop_assert!(invoice.lines.iter().all(|line| line.amount.scale() <= 3));
        prop_assert!(sum >= Decimal::ZERO);
    }
}
