//! Schedules: one list of what runs when, and what is made from it.
//!
//! [`list`] reads `schedules/schedules.toml` and [`firings`] tells its times, also when clocks change. From these come
//! the lines of a crontab ([`crontab`]), the schedules of EventBridge ([`event_bridge`]), what is [`next`], a scheduler
//! for one machine ([`run`]), which keeps its state in the lake's catalog ([`book`]), and the same in fast motion
//! ([`replay`]).

pub mod book;
pub mod crontab;
pub mod event_bridge;
pub mod expression;
pub mod firings;
pub mod jobs;
pub mod list;
pub mod next;
pub mod replay;
pub mod run;
pub mod standing;
