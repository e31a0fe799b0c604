//! What all meterlake jobs share.
//!
//! A job knows three seams and nothing behind them: the [`store::Store`] with its objects, the
//! [`catalog::Catalog`] with its tables and partitions, and the [`engine::Engine`] that runs SQL.

pub mod as_of;
pub mod beginning;
pub mod catalog;
pub mod chain;
pub mod clock;
pub mod config;
pub mod day_inputs;
pub mod engine;
pub mod generation;
pub mod gunzip;
pub mod kinds;
pub mod lake;
pub mod layout;
pub mod location;
pub mod log;
pub mod names;
pub mod notes;
pub mod partitions;
pub mod period;
pub mod publications;
pub mod publish;
mod record;
pub mod report;
pub mod run;
pub mod slot;
pub mod sql;
pub mod store;
pub mod white_space;
