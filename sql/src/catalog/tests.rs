//! What a catalogue keeps from one start to the next.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use dataflow::RelationSchema;

use super::*;
use crate::relation::RelationKind;

fn relation(id: u32, name: &str, kind: RelationKind, fields: Vec<Field>) -> Option<Arc<Relation>> {
    let schema = RelationSchema { columns: Arc::new(Schema::new(fields)), key: vec![0], counted: false };
    Some(Arc::new(Relation { id: RelationId(id), name: name.to_owned(), schema, kind }))
}

fn entries() -> Vec<Entry> {
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    let fields = vec![
        Field::new("meter", DataType::Int64, false),
        Field::new("at", at, true),
        entry::hidden(Field::new("_id", DataType::Utf8, false)),
        Field::new("price", DataType::Decimal128(10, 2), true),
    ];
    let table = Table { topic: "meters".into(), partitions: 1, version: Some(1), ..Table::default() };
    let view = View { query: "SELECT 1".to_owned(), reads: ["readings".to_owned()].into(), as_of: 65 };
    let materialized = Materialized {
        query: "SELECT meter, count(*) FROM readings GROUP BY meter".to_owned(),
        reads: ["readings".to_owned()].into(),
        states: vec![RelationId(67)],
        fingerprint: 0xfeed,
        order: 1,
        as_of: 66,
        covers_from_ms: None,
        index: None,
        alert: None,
    };
    let counts = vec![Field::new("meter", DataType::Int64, false), Field::new("n", DataType::Int64, false)];
    vec![
        Entry {
            id: RelationId(64),
            name: "readings".to_owned(),
            sql: "CREATE TABLE readings (...)".to_owned(),
            relation: relation(64, "readings", RelationKind::Table { rows_max: None, forgets_by: None }, fields),
            definition: Definition::Table(table),
        },
        Entry {
            id: RelationId(65),
            name: "one".to_owned(),
            sql: "CREATE VIEW one AS SELECT 1".to_owned(),
            relation: None,
            definition: Definition::View(view),
        },
        Entry {
            id: RelationId(66),
            name: "counts".to_owned(),
            sql: "CREATE MATERIALIZED VIEW counts ...".to_owned(),
            relation: relation(66, "counts", RelationKind::MaterializedView, counts),
            definition: Definition::MaterializedView(materialized),
        },
    ]
}

/// What version 1 wrote. Never edit these: a later version must read them.
const GOLDEN: [&str; 3] = [
    r#"{"format":1,"id":64,"name":"readings","sql":"CREATE TABLE readings (...)","kind":"table","topic":"meters","partitions":1,"version":1,"max_rows":null,"rows":{"columns":[{"id":0,"name":"meter","type":"bigint","nullable":false,"hidden":false},{"id":1,"name":"at","type":"timestamptz","nullable":true,"hidden":false},{"id":2,"name":"_id","type":"text","nullable":false,"hidden":true},{"id":3,"name":"price","type":"numeric(10,2)","nullable":true,"hidden":false}],"key":[0],"counted":false}}"#,
    r#"{"format":1,"id":65,"name":"one","sql":"CREATE VIEW one AS SELECT 1","kind":"view","query":"SELECT 1","reads":["readings"]}"#,
    r#"{"format":1,"id":66,"name":"counts","sql":"CREATE MATERIALIZED VIEW counts ...","kind":"materialized_view","query":"SELECT meter, count(*) FROM readings GROUP BY meter","reads":["readings"],"states":[67],"fingerprint":"0000000000000000000000000000feed","order":1,"rows":{"columns":[{"id":0,"name":"meter","type":"bigint","nullable":false,"hidden":false},{"id":1,"name":"n","type":"bigint","nullable":false,"hidden":false}],"key":[0],"counted":false}}"#,
];

#[test]
fn entries_are_written_as_they_always_were_and_read_back() {
    for (entry, golden) in entries().into_iter().zip(GOLDEN) {
        assert_eq!(std::str::from_utf8(&persisted::write_entry(&entry)).unwrap(), golden);
        assert_eq!(persisted::read_entry("x", golden.as_bytes()).unwrap(), entry);
    }
    assert_eq!(&persisted::write_allocator(68)[..], br#"{"format":1,"next":68}"#);
}

#[test]
fn an_index_is_of_a_later_format_and_knows_its_columns() {
    let [_, _, mut index] = <[Entry; 3]>::try_from(entries()).unwrap();
    let Definition::MaterializedView(of_index) = &mut index.definition else { unreachable!("it keeps rows") };
    of_index.index = Some(vec![1]);
    let written = persisted::write_entry(&index);
    let text = String::from_utf8_lossy(&written);
    assert!(
        text.starts_with(r#"{"format":3,"id":66,"#) && text.contains(r#","order":1,"index":[1],"rows":"#),
        "{text}"
    );
    assert_eq!(persisted::read_entry("x", &written).unwrap(), index);
    assert_eq!(
        (index.kind(), index.indexed(), index.index_columns()),
        ("index", Some("readings"), Some(vec!["n".into()]))
    );
    let mut catalog = Catalog::empty();
    catalog.put(index.clone());
    assert_eq!(catalog.indexes("readings"), [index.relation.unwrap()]);
    assert_eq!(catalog.indexes("counts"), []);
}

#[test]
fn an_altered_table_keeps_its_columns_in_the_order_of_their_coming_and_their_defaults() {
    let [mut table, mut view, _] = <[Entry; 3]>::try_from(entries()).unwrap();
    let unit = with_default(Field::new("unit", DataType::Utf8, true), "\"W\"").unwrap();
    let old = table.relation.take().unwrap();
    let mut fields = old.schema.columns.fields().to_vec();
    fields.push(Arc::new(added(unit)));
    let schema = RelationSchema { columns: Arc::new(Schema::new(fields)), ..old.schema.clone() };
    table.relation = Some(Arc::new(Relation { schema, ..Relation::clone(&old) }));
    let Definition::Table(of_table) = &mut table.definition else { unreachable!("it is a table") };
    of_table.added = vec![90];
    let Definition::View(of_view) = &mut view.definition else { unreachable!("it is a view") };
    of_view.as_of = 7;
    let said = [
        (&table, r#""added":[90],"#),
        (&table, r#""hidden":false,"default":"\"W\""}],"key""#),
        (&view, r#"{"format":2,"id":65,"#),
        (&view, r#","as_of":7}"#),
    ];
    for (entry, said) in said {
        let written = persisted::write_entry(entry);
        assert!(String::from_utf8_lossy(&written).contains(said), "{written:?}");
        assert_eq!(persisted::read_entry("x", &written).unwrap(), *entry);
    }
    let mut catalog = Catalog::empty();
    catalog.put(table);
    let catalog = Arc::new(catalog);
    let columns =
        |catalog: &Catalog| catalog.get("readings").unwrap().relation.as_ref().unwrap().schema.columns.clone();
    assert_eq!(columns(&catalog.as_of(90)), old.schema.columns, "a view that was there does not see it");
    assert_eq!(columns(&catalog.as_of(90).as_of(91)).fields().len(), 5, "one made since does, also inlined");
}

#[test]
fn checks_and_alerts_are_read_back_and_only_by_who_knows_them() {
    let [mut table, _, mut view] = <[Entry; 3]>::try_from(entries()).unwrap();
    let Definition::Table(of_table) = &mut table.definition else { unreachable!("it is a table") };
    of_table.checks = vec![Check { name: "warm".to_owned(), sql: "price > 0".to_owned() }];
    let Definition::MaterializedView(of_view) = &mut view.definition else { unreachable!("it is a view") };
    of_view.alert = Some("critical".to_owned());
    let said = [
        (&table, r#"{"format":3,"id":64,"#),
        (&table, r#""checks":[{"name":"warm","sql":"price > 0"}],"rows""#),
        (&view, r#"{"format":3,"id":66,"#),
        (&view, r#","alert":"critical","rows""#),
    ];
    for (entry, said) in said {
        let written = persisted::write_entry(entry);
        assert!(String::from_utf8_lossy(&written).contains(said), "{written:?}");
        assert_eq!(persisted::read_entry("x", &written).unwrap(), *entry);
    }
    let mut catalog = Catalog::empty();
    let number = catalog.allocate().0;
    let pack = Some(PackVersion { name: "energy".to_owned(), version: "1".to_owned() });
    let writes = catalog.put_schema("energy", schema::Schema { number, pack });
    let stored: Vec<(String, Bytes)> = writes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut read = Catalog::load(&stored).unwrap();
    assert_eq!(read.schemas(), catalog.schemas());
    assert!(read.allocate().0 > number);
}

#[test]
fn a_table_of_channels_is_read_back_and_only_by_who_knows_them() {
    let mut table = entries().remove(0);
    let Definition::Table(of_table) = &mut table.definition else { unreachable!("it is a table") };
    of_table.gem = Some("energy.readings".to_owned());
    let written = persisted::write_entry(&table);
    let text = String::from_utf8_lossy(&written);
    assert!(
        text.starts_with(r#"{"format":4,"id":64,"#) && text.contains(r#""gem":"energy.readings","rows""#),
        "{text}"
    );
    assert_eq!(persisted::read_entry("x", &written).unwrap(), table);
}

#[test]
fn columns_of_arrays_are_read_back() {
    let mut entry = entries().remove(0);
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        Field::new("prices", DataType::new_list(DataType::Decimal128(10, 2), true), true),
    ];
    entry.relation = relation(64, "readings", RelationKind::Table { rows_max: None, forgets_by: None }, fields);
    let written = persisted::write_entry(&entry);
    let text = std::str::from_utf8(&written).unwrap();
    assert!(text.contains(r#""type":"text[]""#) && text.contains(r#""type":"numeric(10,2)[]""#), "{text}");
    assert_eq!(persisted::read_entry("x", &written).unwrap(), entry);
}

#[test]
fn a_stream_is_of_a_later_format_which_versions_without_them_refuse() {
    let mut entry = entries().remove(0);
    let Definition::Table(table) = &mut entry.definition else { unreachable!("it is a table") };
    (table.stream, table.version) = (true, None);
    let relation = Relation::clone(entry.relation.as_ref().unwrap());
    entry.relation = Some(Arc::new(Relation { kind: RelationKind::Stream, ..relation }));
    let written = persisted::write_entry(&entry);
    let text = String::from_utf8_lossy(&written);
    assert!(text.starts_with(r#"{"format":5,"id":64,"#) && text.contains(r#","stream":true,"rows":"#), "{text}");
    assert_eq!(persisted::read_entry("x", &written).unwrap(), entry);
}

#[test]
fn an_entry_of_a_newer_format_is_refused_with_words() {
    let newer = GOLDEN[1].replace("\"format\":1", "\"format\":9");
    let error = persisted::read_entry("relation/0000000065", newer.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("format 9") && error.contains("relation/0000000065"), "{error}");
}

#[test]
fn a_number_is_not_given_twice_even_after_a_drop_and_a_restart() {
    let mut catalog = Catalog::empty();
    let first = catalog.allocate();
    let mut entry = entries().remove(0);
    entry.id = first;
    let mut stored: BTreeMap<String, Bytes> = BTreeMap::new();
    for (name, value) in catalog.put(entry).into_iter().chain(catalog.remove("readings")) {
        match value {
            Some(value) => stored.insert(name, value),
            None => stored.remove(&name),
        };
    }
    let entries: Vec<(String, Bytes)> = stored.into_iter().collect();
    let mut again = Catalog::load(&entries).unwrap();
    assert!(again.get("readings").is_none());
    assert!(again.allocate() > first);
}

#[test]
fn what_reads_a_relation_is_known_by_name() {
    let mut catalog = Catalog::empty();
    for entry in entries() {
        catalog.put(entry);
    }
    assert_eq!(catalog.readers("readings"), ["counts", "one"]);
    assert!(catalog.owned().contains(&RelationId(67)));
    assert_eq!(catalog.table_of_topic("meters").unwrap().name(), "readings");
}
