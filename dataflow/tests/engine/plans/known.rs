//! Views that tests know by heart.

use super::*;

/// Readings by device and window: aggregates of the value. The window is the second group column.
pub fn rolled_up(relation: RelationId, functions: &[AggregateFunction]) -> PlannedView {
    let source = readings();
    let columns = source.schema.columns.clone();
    let input = Plan::Map {
        input: Plan::Get { relation: READINGS, schema: columns.clone() }.into(),
        columns: vec![
            column(&columns, 0),
            scalar(Expr::Floor(Expr::Column(1).into(), WINDOW), time()),
            column(&columns, 2),
        ],
        schema: schema(&[("device", DataType::Int64), ("window", time()), ("value", DataType::Int64)]),
    };
    let aggregates =
        functions.iter().map(|function| Aggregate { function: function.clone(), input: Some(2) }).collect();
    let mut fields = vec![("device", DataType::Int64), ("window", time())];
    fields.extend(functions.iter().map(|_| ("aggregate", DataType::Int64)));
    let schema = schema(&fields);
    let plan =
        Plan::Reduce { input: input.into(), group: vec![0, 1], aggregates, schema: schema.clone(), state: relation };
    let schema = RelationSchema { columns: schema, key: vec![0, 1], counted: false };
    PlannedView { relation, name: "rolled_up".into(), plan, schema, root: Root::Reduced }
}

/// Sums of all readings' values.
pub fn global(relation: RelationId, aggregates: Vec<Aggregate>) -> PlannedView {
    let columns = readings().schema.columns;
    let schema = schema(&[("total", DataType::Int64)]);
    let input = Plan::Get { relation: READINGS, schema: columns }.into();
    let plan = Plan::Reduce { input, group: vec![], aggregates, schema: schema.clone(), state: relation };
    let schema = RelationSchema { columns: schema, key: vec![], counted: false };
    PlannedView { relation, name: "global".into(), plan, schema, root: Root::Reduced }
}

/// All readings' tags, put together in the order of time.
pub fn tags(relation: RelationId) -> PlannedView {
    let order = vec![Order { column: 1, descending: false, nulls_first: false }];
    let taken = Taken::Text { separator: ",".into(), distinct: false };
    let sequence = Sequence { taken, order, nulls: false, among: None, index: RelationId(relation.0 + 1) };
    let aggregate = Aggregate { function: AggregateFunction::Sequence(sequence), input: Some(5) };
    let PlannedView { plan, .. } = global(relation, vec![aggregate]);
    let Plan::Reduce { input, group, aggregates, state, .. } = plan else { unreachable!() };
    let schema = schema(&[("tags", DataType::Utf8)]);
    let plan = Plan::Reduce { input, group, aggregates, schema: schema.clone(), state };
    let schema = RelationSchema { columns: schema, key: vec![], counted: false };
    PlannedView { relation, name: "tags".into(), plan, schema, root: Root::Reduced }
}

/// Readings with their device, which is found by key.
pub fn joined(relation: RelationId) -> PlannedView {
    let get = |source: &Source| Plan::Get { relation: source.relation, schema: source.schema.columns.clone() };
    let side = |source: &Source| Side::Stored {
        relation: source.relation,
        schema: source.schema.clone(),
        prefix: vec![0],
        within: None,
    };
    let (left, right) = (readings(), devices());
    let fields: Vec<Field> = (left.schema.columns.fields().iter().chain(right.schema.columns.fields()))
        .enumerate()
        .map(|(index, field)| Field::new(format!("j{index}"), field.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let plan = Plan::Join {
        left: get(&left).into(),
        right: get(&right).into(),
        on: vec![(0, 0)],
        filter: None,
        kind: JoinKind::Inner,
        left_side: side(&left),
        right_side: side(&right),
        schema: schema.clone(),
    };
    let schema = RelationSchema { columns: schema, key: vec![0, 1], counted: false };
    PlannedView { relation, name: "joined".into(), plan, schema, root: Root::Keyed }
}

/// Readings with the device that their value names, or without one: readings are in an index, devices found by key.
pub fn named(relation: RelationId) -> PlannedView {
    let (left, right) = (readings(), devices());
    let get = |source: &Source| Plan::Get { relation: source.relation, schema: source.schema.columns.clone() };
    let columns = vec![2, 0, 1, 3, 4, 5];
    let indexed = Arc::new(left.schema.columns.project(&columns).unwrap());
    let fields = left.schema.columns.fields().iter().chain(right.schema.columns.fields());
    let fields = fields.enumerate().map(|(at, field)| field.as_ref().clone().with_name(format!("j{at}")));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let plan = Plan::Join {
        left: get(&left).into(),
        right: get(&right).into(),
        on: vec![(2, 0)],
        filter: None,
        kind: JoinKind::Left { left: Matches { state: RelationId(relation.0 + 1), key: vec![0, 1] } },
        left_side: Side::Indexed {
            state: RelationId(relation.0 + 2),
            schema: RelationSchema { columns: indexed, key: vec![0, 1, 2], counted: false },
            columns,
            within: None,
        },
        right_side: Side::Stored { relation: DEVICES, schema: right.schema, prefix: vec![0], within: None },
        schema: schema.clone(),
    };
    let schema = RelationSchema { columns: schema, key: vec![0, 1], counted: false };
    PlannedView { relation, name: "named".into(), plan, schema, root: Root::Keyed }
}

/// Readings above the limit of their device: they are in an index by device and value.
pub fn above_limit(relation: RelationId) -> PlannedView {
    let PlannedView { plan, schema, .. } = named(relation);
    let Plan::Join { left, right, right_side, schema: columns_of_pairs, .. } = plan else { unreachable!() };
    let columns = vec![0, 2, 1, 3, 4, 5];
    let indexed = Arc::new(left.schema().project(&columns).unwrap());
    let above = Expr::Less(Expr::Column(left.schema().fields().len() + 3).into(), Expr::Column(2).into());
    let plan = Plan::Join {
        left,
        right,
        on: vec![(0, 0)],
        filter: Some(scalar(above, DataType::Boolean)),
        kind: JoinKind::Inner,
        left_side: Side::Indexed {
            state: RelationId(relation.0 + 1),
            schema: RelationSchema { columns: indexed, key: vec![0, 1, 2], counted: false },
            columns,
            within: Some(Within { lower: Some(Bound { column: 3, inclusive: false }), upper: None }),
        },
        right_side,
        schema: columns_of_pairs,
    };
    PlannedView { relation, name: "above_limit".into(), plan, schema, root: Root::Keyed }
}

/// Readings until the millisecond that their value says.
pub fn expiring(relation: RelationId) -> PlannedView {
    let source = readings();
    let columns = source.schema.columns.clone();
    let micros = Expr::Micros(Expr::Column(columns.fields().len()).into());
    let now_ms = || Expr::Divide(micros.clone().into(), Expr::Literal(Value::Int(1_000)).into());
    let predicate = scalar(Expr::Less(now_ms().into(), Expr::Column(2).into()), DataType::Boolean);
    let turn = scalar(Expr::Above(Expr::Column(2).into(), now_ms().into()), DataType::Int64);
    let plan = Plan::Temporal {
        input: Plan::Get { relation: READINGS, schema: columns.clone() }.into(),
        predicate,
        turns: vec![turn],
        key: vec![0, 1],
        rows: RelationId(relation.0 + 1),
        timers: RelationId(relation.0 + 2),
    };
    PlannedView { relation, name: "expiring".into(), plan, schema: source.schema, root: Root::Keyed }
}
