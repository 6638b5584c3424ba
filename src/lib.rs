//! `zai-exporter` counts the failed Z.ai / BigModel (GLM) API calls found in client logs.
//!
//! The data walks one straight line, and the modules stand in its order:
//!
//! `bytes -> lines -> events -> ledger -> scrape`
//!
//! [`lines`], [`recognise`], [`fold`] (put together in [`log`]) and [`ledger`] do no I/O and know no clock.

pub mod app;
pub mod catalogue;
pub mod cli;
pub mod commit;
pub mod config;
pub mod engine;
pub mod fold;
pub mod history;
pub mod journal;
pub mod ledger;
pub mod lines;
pub mod log;
pub mod metrics;
pub mod recognise;
pub mod reload;
pub mod rlimit;
pub mod runner;
mod saved;
pub mod scan;
pub mod source;
pub mod state;
pub mod wake;
pub mod web;
pub mod yaml;
