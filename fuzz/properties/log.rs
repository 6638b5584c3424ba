//! Lines, recognition and folding: how the bytes of a log arrive changes nothing.

use std::io::Read as _;
use std::sync::LazyLock;

use zai_exporter::config::{self, Config};
use zai_exporter::fold::Event;
use zai_exporter::log::{Parser, Progress, Read};
use zai_exporter::source::Buffer;

use super::steered;

/// As short as the configuration allows, so that long lines are met.
const LINE_BYTES: usize = 16 * 1024;

static CONFIG: LazyLock<Config> =
    LazyLock::new(|| config::parse("timezone: UTC\nhosts: [llm.internal]\n").expect("it is a configuration"));

/// The sizes of reads stand before the first NUL byte, the log behind it. `~` in the log stands for a filler of 9,000 bytes, so that
/// the limits of a line and of what is searched for a time are within reach of short inputs.
pub fn holds(data: &[u8]) {
    let (sizes, log) = steered(data);
    let log = filled(log);
    let whole = counted(&log, &[]);
    if !sizes.is_empty() {
        assert_eq!(whole, counted(&log, sizes), "by reads of {sizes:?}");
    }
}

fn filled(log: &[u8]) -> Vec<u8> {
    let mut room = 24;
    let mut out = Vec::with_capacity(log.len());
    for &byte in log {
        if byte == b'~' && room > 0 {
            room -= 1;
            out.extend(std::iter::repeat_n(b'x', 9_000));
        } else {
            out.push(byte);
        }
    }
    out
}

type Outcome = (Vec<Event>, Progress, Read);

/// As `scan` does without sizes. With sizes as `serve` does that is ended after each read of so many bytes (quadrupled with each bit
/// above the fourth), and started again where it was.
fn counted(log: &[u8], sizes: &[u8]) -> Outcome {
    let (mut parser, mut progress, mut buffer) = (Parser::default(), Progress::default(), Buffer::new(LINE_BYTES));
    let (mut events, mut sum) = (Vec::new(), Read::default());
    let mut steps = sizes.iter().cycle().map(|s| (1 + usize::from(s & 15)) << (2 * (s >> 4)).min(20));
    let mut rest = log;
    loop {
        let take = |block: &[u8]| {
            let mut tell = |event| events.push(event);
            let read = parser.feed(&CONFIG.recogniser, &mut progress, block, LINE_BYTES, &mut tell);
            sum.add(read);
            usize::try_from(read.bytes).expect("it is no more than the block")
        };
        let step = steps.next().unwrap_or(usize::MAX);
        let read = buffer.step(|room| (&mut rest).take(step as u64).read(room), take).expect("memory can be read");
        if read == 0 {
            break;
        }
        if !sizes.is_empty() && step > 1 {
            let saved = serde_json::to_vec(&progress).expect("progress can be saved");
            progress = serde_json::from_slice(&saved).expect("saved progress can be read");
        }
    }
    assert!(sum.bytes <= log.len() as u64);
    events.extend(progress.held());
    (events, progress, sum)
}
