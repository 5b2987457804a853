//! What must hold of any bytes that are taken for a message; a fuzzer asks the same.

use serde_json::value::RawValue;
use wire::{Reading, Refused};

/// Deeper than this the two readers of JSON differ in what they take.
const NESTED_MAX: usize = 64;

pub fn json(readings: &[Reading]) -> Vec<u8> {
    let mut text = String::new();
    wire::json::encode(readings, &mut text).unwrap();
    text.into_bytes()
}

pub fn cbor(readings: &[Reading]) -> Vec<u8> {
    let mut buffer = vec![0; 64 * (readings.len() + 1)];
    let mut cursor = minicbor::encode::write::Cursor::new(&mut buffer[..]);
    wire::cbor::encode(readings, &mut cursor).unwrap();
    let length = cursor.position();
    buffer.truncate(length);
    buffer
}

pub fn to_json(message: &[u8]) -> Result<String, wire::cbor::NoJson> {
    let mut text = String::new();
    wire::cbor::to_json(message, &mut text).map(|()| text)
}

pub fn decoded(message: &[u8]) -> Result<Vec<Result<Reading, Refused>>, Refused> {
    wire::decode(message).map(|readings| readings.collect())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Readings that are taken come back from both encodings; CBOR becomes JSON, of the same readings; JSON is told from other text.
pub fn holds(message: &[u8]) {
    let readings = decoded(message);
    if let Ok(text) = str::from_utf8(message)
        && !wire::cbor::is_cbor(message)
        && message.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= NESTED_MAX
    {
        assert_eq!(readings.is_ok(), is_json(text), "{text:?}");
    }
    if let Ok(text) = to_json(message) {
        assert!(is_json(&text), "{text:?}");
    }
    let Ok(readings) = readings else { return };
    assert!(readings.len() <= message.len());
    let kept = readings.into_iter().filter_map(Result::ok).collect::<Vec<_>>();
    let whole = Ok(kept.iter().copied().map(Ok).collect::<Vec<_>>());
    assert_eq!(decoded(&json(&kept)), whole);
    assert_eq!(decoded(&cbor(&kept)), whole);
    assert_eq!(to_json(&cbor(&kept)).unwrap().into_bytes(), json(&kept));
}
