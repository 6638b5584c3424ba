//! The texts that every line of interest is searched for. To make a searcher costs more than to use it on a line: these are
//! made once.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// A searcher that is made when it is first used.
pub(super) type Text = LazyLock<Finder<'static>>;

pub(super) static HTTP_REQUEST: Text = LazyLock::new(|| Finder::new("HTTP Request: "));
/// `Request failed with status code 429`, `failed with status 429 in 47ms`.
pub(super) static WITH_STATUS: Text = LazyLock::new(|| Finder::new("with status "));
pub(super) static RETRYING: Text = LazyLock::new(|| Finder::new("Retrying request"));
/// `request_id`, `requestId` and their like.
pub(super) static EQUEST: Text = LazyLock::new(|| Finder::new("equest"));
/// `code` and `Code`.
pub(super) static ODE: Text = LazyLock::new(|| Finder::new("ode"));
pub(super) static QUOTED_CODE: Text = LazyLock::new(|| Finder::new("\"code"));
pub(super) static TYPE: Text = LazyLock::new(|| Finder::new("type"));
pub(super) static FINISH: Text = LazyLock::new(|| Finder::new("finish"));
pub(super) static STOP_REASON: Text = LazyLock::new(|| Finder::new("stop_reason"));
pub(super) static SCHEME_END: Text = LazyLock::new(|| Finder::new("://"));
pub(super) static DOTS: Text = LazyLock::new(|| Finder::new("..."));
pub(super) static ELLIPSIS: Text = LazyLock::new(|| Finder::new("…"));
/// The full-width one.
pub(super) static QUESTION_MARK: Text = LazyLock::new(|| Finder::new("？"));
pub(super) static MESSAGE: Text = LazyLock::new(|| Finder::new("message"));
pub(super) static MSG: Text = LazyLock::new(|| Finder::new("msg"));
/// `time`, `timestamp` and their like.
pub(super) static TIME: Text = LazyLock::new(|| Finder::new("time"));
pub(super) static TS: Text = LazyLock::new(|| Finder::new("\"ts\""));
