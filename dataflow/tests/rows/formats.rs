//! The persisted bytes, spelled out. A change here is a new format byte and code that still reads the old one.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use dataflow::row::{KeyEncoder, added};
use dataflow::{Changes, RelationSchema, RowCodec};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn key_of(array: ArrayRef) -> Vec<String> {
    let rows = array.len();
    KeyEncoder::new(&[array.data_type().clone()]).encode_arrays(&[array], rows).iter().map(hex).collect()
}

/// A reading: house, circuit, time, power, note, valid, and a column that is NULL.
fn readings() -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("house", Arc::new(Int32Array::from(vec![7, 7])) as ArrayRef, true),
        ("circuit", Arc::new(StringArray::from(vec!["hob", "pv"])), true),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_000, 0]).with_timezone("UTC")), true),
        ("power_w", Arc::new(Float64Array::from(vec![Some(1.5), None])), true),
        ("note", Arc::new(StringArray::from(vec![Some("ok"), Some("")])), true),
        ("valid", Arc::new(BooleanArray::from(vec![true, false])), true),
        ("tariff", Arc::new(StringArray::from(vec![None::<&str>, Some("n")])), true),
        ("later", Arc::new(Int64Array::from(vec![None, None])), true),
    ])
    .unwrap()
}

fn reading_codec() -> RowCodec {
    RowCodec::new(&RelationSchema { columns: readings().schema(), key: vec![1, 2], counted: false })
}

#[test]
fn keys_of_every_type() {
    assert_eq!(key_of(Arc::new(BooleanArray::from(vec![Some(false), Some(true), None]))), ["0100", "0101", "02"]);
    assert_eq!(
        key_of(Arc::new(Int32Array::from(vec![i32::MIN, -1, 0, 1, i32::MAX]))),
        ["0100000000", "017fffffff", "0180000000", "0180000001", "01ffffffff"]
    );
    assert_eq!(key_of(Arc::new(Date32Array::from(vec![19_000]))), ["0180004a38"]);
    assert_eq!(key_of(Arc::new(Int64Array::from(vec![-2, 5]))), ["017ffffffffffffffe", "018000000000000005"]);
    assert_eq!(key_of(Arc::new(TimestampMicrosecondArray::from(vec![1_000_000]))), ["0180000000000f4240"]);
    assert_eq!(
        key_of(Arc::new(Float64Array::from(vec![-1.0, -0.0, 0.0, 1.0, f64::INFINITY, -f64::NAN]))),
        [
            "01400fffffffffffff",
            "018000000000000000",
            "018000000000000000",
            "01bff0000000000000",
            "01fff0000000000000",
            "01fff8000000000000"
        ]
    );
    let decimals = Decimal128Array::from(vec![-13, 13]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(
        key_of(Arc::new(decimals)),
        ["017ffffffffffffffffffffffffffffff3", "018000000000000000000000000000000d"]
    );
    assert_eq!(
        key_of(Arc::new(StringArray::from(vec!["", "hob", "a\0b"]))),
        ["010001", "01686f620001", "016100ff620001"]
    );
    assert_eq!(key_of(Arc::new(BinaryArray::from(vec![&[0u8, 0xff][..], &[]]))), ["0100ffff0001", "010001"]);
    let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![]), None]);
    assert_eq!(key_of(Arc::new(numbers)), ["01018000ff00ff01020001", "010001", "02"]);
}

#[test]
fn keys_and_values_of_rows() {
    let (codec, rows) = (reading_codec(), readings());
    let keys: Vec<String> = codec.keys(&rows).iter().map(hex).collect();
    assert_eq!(keys, ["01686f6200010180060a24181e4000", "0170760001018000000000000000"]);
    let values: Vec<String> = codec.values(&rows).iter().map(hex).collect();
    assert_eq!(
        values,
        [
            // format, visible, 4 columns, no NULLs, house, power_w, valid, note ends at 2, note
            concat!("01", "01", "0400", "00", "07000000", "000000000000f83f", "01", "02000000", "6f6b"),
            // format, visible, 5 columns, power_w is NULL, house, valid, note ends at 0, tariff at 1, tariff
            concat!("01", "01", "0500", "02", "07000000", "00", "00000000", "01000000", "6e"),
        ]
    );
    let mut hidden = Vec::new();
    codec.write_hidden(&mut hidden);
    assert_eq!(hex(&hidden), "0100");
}

#[test]
fn columns_added_later() {
    let one = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let fields = vec![
        Field::new("id", DataType::Int32, false),
        Field::new("house", DataType::Int32, true),
        added(Field::new("unit", DataType::Utf8, true), Some(&one("W"))),
        added(Field::new("price", DataType::Int32, true), None),
    ];
    let schema = Arc::new(Schema::new(fields));
    let codec = RowCodec::new(&RelationSchema { columns: schema.clone(), key: vec![0], counted: false });
    let columns: [ArrayRef; 4] = [
        Arc::new(Int32Array::from(vec![1, 2, 3, 4])),
        Arc::new(Int32Array::from(vec![7, 7, 7, 7])),
        Arc::new(StringArray::from(vec![Some("W"), Some("kW"), None, Some("W")])),
        Arc::new(Int32Array::from(vec![None, None, None, Some(5)])),
    ];
    let rows = RecordBatch::try_new(schema, columns.to_vec()).unwrap();
    let house = "0101010000".to_owned() + "07000000";
    let values: Vec<String> = codec.values(&rows).iter().map(hex).collect();
    let behind = ["", "02020000006b57", "01", "000205000000"];
    assert_eq!(values, behind.map(|behind| format!("{house}{behind}")));
    assert!(codec.value(&[1, 1, 0, 0, 9]).unwrap_err().to_string().contains("tag 9"));
}

#[test]
fn rows_of_bags() {
    let rows = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
    let codec = RowCodec::new(&RelationSchema { columns: rows.schema(), key: vec![], counted: true });
    assert_eq!(hex(codec.keys(&rows).get(0)), "0180000001");
    let of_count = |count| {
        let mut value = Vec::new();
        codec.write_counted(count, &mut value);
        hex(&value)
    };
    assert_eq!([of_count(1), of_count(-1), of_count(100)], ["0101000002", "0101000001", "01010000c801"]);
}

#[test]
fn changes_of_an_epoch() {
    let rows = RecordBatch::try_from_iter([
        ("id", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec!["a", "b"]))),
    ])
    .unwrap();
    let codec = RowCodec::new(&RelationSchema { columns: rows.schema(), key: vec![0], counted: false });
    let bytes = codec.encode_changes(&[Changes::new(rows, vec![1, -1])]);
    let expected = [
        "0102",
        concat!("02", "05", "0180000001", "0a", "01010100", "00", "01000000", "61"),
        concat!("01", "05", "0180000002", "0a", "01010100", "00", "01000000", "62"),
    ];
    assert_eq!(hex(&bytes), expected.concat());
}

#[test]
fn bytes_of_a_later_format_are_refused() {
    let codec = reading_codec();
    assert!(codec.value(&[2, 1, 0, 0]).unwrap_err().to_string().contains("value format 2"));
    assert!(codec.value(&[1, 2]).unwrap_err().to_string().contains("value flags 0x02"));
    assert!(codec.value(&[1, 1, 9, 0, 0, 0]).unwrap_err().to_string().contains("9 columns"));
    assert!(codec.decode_changes(&[2, 0], None).unwrap_err().to_string().contains("changes of format 2"));
}
