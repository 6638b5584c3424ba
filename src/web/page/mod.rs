//! The status page. One template makes it for the first answer and for every refresh, so that the page is the same with and
//! without scripts; templates escape all that they are given.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, header};

use super::moment::{Moment, bytes, duration, grouped};
use super::status::{AccountState, Affected, ErrorState, LastHour, State, Status};
use crate::catalogue::Condition;

mod chart;

use self::chart::Chart;

/// Where scripts, styles and pictures may come from: nowhere but this answer. `data:` is the icon's.
const POLICY: &str = "default-src 'none'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The whole document.
#[derive(Template)]
#[template(path = "page.html", config = "src/web/page/askama.toml")]
struct Page<'a> {
    view: View<'a>,
    nonce: &'a str,
    /// Relative, so that the page works behind a proxy that serves it under a prefix.
    telemetry: &'a str,
    style: &'static str,
    script: &'static str,
}

/// The part that a refresh replaces.
#[derive(Template)]
#[template(path = "live.html", config = "src/web/page/askama.toml")]
struct Live<'a> {
    view: View<'a>,
}

/// A status as the templates ask for it.
struct View<'a> {
    status: &'a Status,
    now: Moment,
}

/// The document and the headers that it needs.
pub fn document(status: &Status, telemetry_path: &str) -> Result<([(HeaderName, HeaderValue); 5], String), String> {
    let nonce = nonce().map_err(|e| format!("cannot get random bytes from the system: {e}"))?;
    let page = Page {
        view: View::of(status),
        nonce: &nonce,
        telemetry: telemetry_path.trim_start_matches('/'),
        style: include_str!("style.css"),
        script: include_str!("script.js"),
    };
    let html = page.render().map_err(|e| format!("cannot render the page: {e}"))?;
    let policy = format!("{POLICY}; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'");
    let policy = HeaderValue::from_str(&policy).map_err(|e| format!("cannot make the page's policy: {e}"))?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((headers, html))
}

/// The part of the page that a refresh replaces.
pub fn live(status: &Status) -> Result<String, String> {
    Live { view: View::of(status) }.render().map_err(|e| format!("cannot render the page: {e}"))
}

/// A number that nobody can guess, new for each answer.
fn nonce() -> rustix::io::Result<String> {
    let mut random = [0_u8; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}

impl<'a> View<'a> {
    fn of(status: &'a Status) -> Self {
        // Only a clock before 1970 has no time to tell.
        let epoch = Moment::of(1).expect("not 0");
        Self { status, now: status.at.unwrap_or(epoch) }
    }

    /// The page in one sentence, the first thing that is read aloud.
    fn verdict(&self) -> String {
        let titles = |state| {
            let of_state = self.status.conditions.iter().filter(move |c| c.state == state);
            of_state.map(|c| c.title).collect::<Vec<_>>().join(", ")
        };
        match (titles(State::Failing), titles(State::Earlier)) {
            _ if !self.status.ready => {
                "The first pass over the logs is not finished; nothing is shown until it is.".to_string()
            }
            (failing, _) if !failing.is_empty() => format!("Failing: {failing}."),
            (_, earlier) if !earlier.is_empty() => format!("Nothing in the last 15 minutes. Seen before: {earlier}."),
            _ => "Nothing is wrong with the account.".to_string(),
        }
    }

    /// The worst state of the account's conditions.
    fn worst(&self) -> &'static str {
        let has = |state| self.status.conditions.iter().any(|c| c.state == state);
        [State::Failing, State::Earlier, State::Unknown].into_iter().find(|s| has(*s)).unwrap_or(State::Ok).name()
    }

    /// What is wrong with the exporter itself, worst first.
    fn troubles(&self) -> Vec<String> {
        let (status, exporter) = (self.status, &self.status.exporter);
        let mut troubles = Vec::new();
        if !status.engine_running {
            troubles.push(
                "The engine has stopped: nothing is counted any more. Restart the exporter; its log says why."
                    .to_string(),
            );
        }
        if !status.configuration.last_reload_successful {
            troubles.push(
                "The configuration was not reloaded; the one from before is in use. See Configuration.".to_string(),
            );
        }
        if status.files.in_trouble > 0 {
            let verb = if status.files.in_trouble == 1 { "is" } else { "are" };
            troubles.push(format!("{} {verb} not followed. See Files.", plural(status.files.in_trouble, "file")));
        }
        if exporter.commit_failures > 0 {
            let failures = plural(exporter.commit_failures, "commit");
            let last = exporter.last_commit.map_or_else(|| "none".to_string(), |m| m.ago(self.now));
            troubles.push(format!(
                "{failures} could not be written to the state directory since the start (last success: {last}). The exporter's log says why."
            ));
        }
        if status.ready && exporter.files_followed == 0 {
            troubles
                .push("No file is followed. See Files, and check the paths that the exporter was given.".to_string());
        }
        troubles
    }

    /// What was seen and what was not, with the category's name where it begins.
    fn seen(&self) -> Vec<Category<'_>> {
        categories(self.status.errors.iter().filter(|e| e.count > 0))
    }

    fn unseen(&self) -> Vec<Category<'_>> {
        categories(self.status.errors.iter().filter(|e| e.count == 0))
    }

    fn unseen_count(&self) -> usize {
        self.status.errors.iter().filter(|e| e.count == 0).count()
    }

    fn finishes_seen(&self) -> bool {
        self.status.finish_reasons.iter().any(|c| c.count > 0)
    }

    fn files_left_off(&self) -> usize {
        self.status.files.names - self.status.files.listed.len()
    }

    fn uptime(&self) -> String {
        self.status.exporter.started.map_or_else(String::new, |started| duration(self.now.since(started).max(0)))
    }

    /// Counters of rare things, shown with what they mean.
    fn rare(&self) -> [(&'static str, String); 8] {
        let exporter = &self.status.exporter;
        [
            ("Rotations", grouped(exporter.rotations)),
            ("Truncations", grouped(exporter.truncations)),
            ("Copies recovered", grouped(exporter.copies_recovered)),
            ("Bytes of unfinished lines", grouped(exporter.abandoned_bytes)),
            ("Read errors", grouped(exporter.read_errors)),
            ("Lines too long", grouped(exporter.lines_too_long)),
            ("Look-alikes not counted", grouped(exporter.unrecognised_lookalikes)),
            ("Label values folded", grouped(exporter.label_values_folded)),
        ]
    }
}

/// Errors of one category.
struct Category<'a> {
    name: &'static str,
    id: &'static str,
    count: u64,
    errors: Vec<&'a ErrorState>,
}

fn categories<'a>(errors: impl Iterator<Item = &'a ErrorState>) -> Vec<Category<'a>> {
    let mut out: Vec<Category<'a>> = Vec::new();
    for error in errors {
        if out.last().is_none_or(|c| c.name != error.category_name) {
            let (name, id) = (error.category_name, error.category.as_str());
            out.push(Category { name, id, count: 0, errors: Vec::new() });
        }
        if let Some(category) = out.last_mut() {
            category.count += error.count;
            category.errors.push(error);
        }
    }
    out
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Earlier => "earlier",
            Self::Failing => "failing",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unknown => "Not known yet",
            Self::Ok => "OK",
            Self::Earlier => "Seen earlier",
            Self::Failing => "Failing",
        }
    }
}

impl AccountState {
    /// The latest errors' conditions and what to do about them, each advice once.
    fn advice(&self) -> Vec<(String, &str)> {
        let mut advice: Vec<(String, &str)> = Vec::new();
        for error in &self.errors {
            let text = error.solution.as_deref().or(error.message.as_deref()).unwrap_or_default();
            if !advice.iter().any(|(_, known)| *known == text) {
                advice.push((words(error.condition), text));
            }
        }
        advice.truncate(3);
        advice
    }
}

impl ErrorState {
    /// The same for the same error, and of no other.
    fn id(&self) -> String {
        format!("e-{}-{}-{}", self.category.as_str(), self.code.as_str(), self.condition.as_str())
    }
}

impl Affected {
    fn names(&self) -> String {
        let pair = |(name, value): (&String, &String)| format!("{name}={value}");
        self.labels.iter().map(pair).collect::<Vec<_>>().join(" ")
    }
}

impl LastHour {
    fn chart(&self) -> Chart {
        Chart::of(&self.total)
    }

    /// The categories that have something to show.
    fn busy(&self) -> Vec<(&'static str, u64, Chart)> {
        let chart = self.categories.iter().map(|c| (c.category_name, Chart::of(&c.counts)));
        chart.filter(|(_, chart)| chart.sum > 0).map(|(name, chart)| (name, chart.sum, chart)).collect()
    }

    /// The minutes that have something to tell, the latest first.
    fn rows(&self) -> Vec<(Moment, u64)> {
        let minutes = self.minutes.iter().zip(&self.total).rev();
        minutes.filter_map(|(minute, total)| Some(((*minute)?, (*total).filter(|n| *n > 0)?))).collect()
    }

    /// Whether some of the hour lies before the start.
    fn is_partial(&self) -> bool {
        self.total.iter().any(Option::is_none)
    }

    /// The chart in one sentence.
    fn summary(&self) -> String {
        let rows = self.rows();
        let sum: u64 = rows.iter().map(|(_, n)| n).sum();
        match rows.iter().max_by_key(|(_, n)| *n) {
            None => "No errors were read in the last hour.".to_string(),
            Some((minute, most)) => {
                let (sum, most) = (plural(sum, "error"), grouped(*most));
                format!("{sum} in the last hour; most in the minute from {} UTC: {most}.", minute.minute())
            }
        }
    }
}

/// A condition as people read it.
fn words(condition: Condition) -> String {
    condition.as_str().replace('_', " ")
}

/// `1 file`, `2 files`
fn plural(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
