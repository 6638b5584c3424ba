use super::*;

fn signals(line: &str) -> Vec<Signal> {
    let recogniser = Recogniser::new(Arc::new(Catalogue::built_in()), &[], TimeZone::UTC);
    let mut out = Vec::new();
    recogniser.read(line.as_bytes(), 1, &mut Context::default(), &mut View::default(), &mut |s| out.push(s));
    out
}

#[test]
fn x() {
    assert!(!signals("Error code: 429 - {'error': {'code': '1113', 'message': 'x'}}").is_empty());
}
