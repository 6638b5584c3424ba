//! The closed sets that label values come from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes an enum whose variants print as, and parse from, one documented name each.
macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All values, in the documented order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of a label, if it is one of the set.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

closed_set! {
    /// Which table of the documentation a row stands in.
    Category {
        /// "Basic Error"
        Basic = "basic",
        /// "Authentication Error"
        Authentication = "authentication",
        /// "Account Error"
        Account = "account",
        /// "API Call Error"
        ApiCall = "api_call",
        /// "API Policy Block Error"
        ApiPolicyBlock = "api_policy_block",
        /// The table of HTTP statuses.
        Http = "http",
        /// In no table.
        Unknown = "unknown",
    }
}

impl Category {
    /// The documentation's own words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Basic => "Basic Error",
            Self::Authentication => "Authentication Error",
            Self::Account => "Account Error",
            Self::ApiCall => "API Call Error",
            Self::ApiPolicyBlock => "API Policy Block Error",
            Self::Http => "HTTP status",
            Self::Unknown => "Undocumented",
        }
    }
}

closed_set! {
    /// What to do about an error. Alerts select on it, so that a code added to the catalogue needs no new rule.
    Condition {
        /// The key or token is wrong, missing or expired.
        Authentication = "authentication",
        /// The account is not active.
        AccountInactive = "account_inactive",
        /// The account does not exist.
        AccountMissing = "account_missing",
        /// The account cannot be reached.
        AccountAccess = "account_access",
        /// The account is locked.
        AccountLocked = "account_locked",
        /// An end user of the account is locked.
        EndUserLocked = "end_user_locked",
        /// The balance is used up.
        BalanceExhausted = "balance_exhausted",
        /// The plan has ended.
        PlanExpired = "plan_expired",
        /// A limit of the plan is used up.
        QuotaExhausted = "quota_exhausted",
        /// Too many calls at once.
        ConcurrencyLimit = "concurrency_limit",
        /// Too many calls.
        RateLimit = "rate_limit",
        /// A policy forbids the call.
        PolicyBlock = "policy_block",
        /// The service is overloaded.
        Overloaded = "overloaded",
        /// The service failed.
        ServerError = "server_error",
        /// The network between the service's parts failed.
        Network = "network",
        /// The call is malformed.
        InvalidRequest = "invalid_request",
        /// A file's content is malformed.
        InvalidFile = "invalid_file",
        /// A file is too large.
        FileTooLarge = "file_too_large",
        /// The model does not exist.
        ModelUnavailable = "model_unavailable",
        /// The API was taken offline.
        ApiUnavailable = "api_unavailable",
        /// The account may not do this.
        PermissionDenied = "permission_denied",
        /// The feature is not open.
        FeatureUnavailable = "feature_unavailable",
        /// The thing does not exist.
        NotFound = "not_found",
        /// The same request is already running.
        DuplicateRequest = "duplicate_request",
        /// The log does not tell.
        Unspecified = "unspecified",
    }
}
