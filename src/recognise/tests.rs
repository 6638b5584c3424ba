use super::*;

/// What each line of `log` says, in turn.
fn signals(log: &str) -> Vec<Signal> {
    let recogniser = Recogniser::new(Arc::new(Catalogue::built_in()), &["llm.internal".to_string()], TimeZone::UTC);
    let (mut context, mut view, mut out) = (Context::default(), View::default(), Vec::new());
    for (number, line) in (1..).zip(log.lines()) {
        recogniser.read(line.as_bytes(), number, &mut context, &mut view, &mut |s| out.push(s));
    }
    out
}

fn identities(log: &str) -> Vec<Identity> {
    let failure = |s| if let Signal::Failure(f) = s { Some(f.identity) } else { None };
    signals(log).into_iter().filter_map(failure).collect()
}

#[test]
fn the_code_wins_over_the_text_and_the_text_over_the_status() {
    let url = "https://api.z.ai/api/paas/v4/chat/completions";
    let body = r#"{"error":{"code":"1113","message":"Rate limit reached for requests"}}"#;
    assert_eq!(identities(&format!("POST {url} 429 Too Many Requests {body}")), [Identity::Business(1113)]);
    let text = "Error code: 429 - Rate limit reached for requests";
    assert_eq!(identities(&format!("POST {url} {text}")), [Identity::Business(1302)]);
    assert_eq!(identities(&format!("POST {url} 429 Too Many Requests")), [Identity::Http(429, None)]);
}

#[test]
fn a_code_on_a_line_below_its_error_object_counts() {
    let pretty = "{\n  \"error\": {\n    \"code\": \"1214\",\n    \"message\": \"Input cannot be empty\"\n  }\n}";
    assert_eq!(identities(pretty), [Identity::Business(1214)]);
    assert_eq!(identities("{\n  \"item\": {\n    \"code\": \"1214\"\n  }\n}"), []);
}

#[test]
fn a_configured_host_is_the_apis() {
    let line = "INFO HTTP Request: POST https://llm.internal/v1/chat \"HTTP/1.1 502 Bad Gateway\"";
    assert_eq!(identities(line), [Identity::Http(502, None)]);
    assert_eq!(identities(&line.replace("llm.internal", "llm.other")), []);
}

#[test]
fn an_undocumented_code_needs_the_vendors_mark() {
    let body = r#"{"error":{"code":"1600","message":"x"}}"#;
    assert_eq!(identities(&format!("Error code: 404, with error text {body}")), [Identity::Business(1600)]);
    assert_eq!(identities(&format!("Error code: 404 - {body}")), []);
}

#[test]
fn what_was_not_taken_and_looks_alike_is_told() {
    let line = r#"ERROR stock-service {"error":{"code":"1302","message":"库存不足"}}"#;
    assert_eq!(signals(line), [Signal::LookAlike]);
}

#[test]
fn the_longer_of_two_texts_is_meant() {
    let line =
        r#"zhipu: Error code: 429, with error text {"error":{"code":"429","message":"Terminal account anomaly"}}"#;
    assert_eq!(identities(line), [Identity::Http(429, Some(Condition::EndUserLocked))]);
}
