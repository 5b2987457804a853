//! Random joins, whose sides are found in every way that there is.

use super::*;

impl Generator<'_> {
    /// How the rows of `plan`, maps and filters over the source, are found by its column `on`.
    pub(super) fn side(&mut self, source: &Source, plan: &Plan, on: usize, by_key: bool) -> Side {
        let (relation, schema) = (source.relation, source.schema.clone());
        let first = if schema.counted { Some(&0) } else { schema.key.first() };
        match self.random.random_range(0..3) {
            0 if by_key && first == Some(&0) => Side::Stored { relation, schema, prefix: vec![0], within: None },
            1 => Side::Resident { relation, schema },
            _ => self.indexed(plan, vec![on], None, (!schema.counted).then_some(&schema.key[..])),
        }
    }

    /// An index of a plan's rows by its columns `on` and then perhaps a column of which the other side says a range.
    pub(super) fn indexed(
        &mut self,
        plan: &Plan,
        on: Vec<usize>,
        next: Option<(usize, Within)>,
        key: Option<&[usize]>,
    ) -> Side {
        let of = plan.schema();
        let mut columns = on;
        let (next, within) = next.unzip();
        columns.extend(next.filter(|next| !columns.contains(next)));
        let first = columns.len();
        columns.extend((0..of.fields().len()).filter(|column| !columns.contains(column)).collect::<Vec<_>>());
        let key = key.filter(|_| !self.chance(3));
        let place = |column: &usize| columns.iter().position(|known| known == column).unwrap();
        let of_key = key.map(|key| key.iter().map(place).filter(|&place| place >= first).collect::<Vec<_>>());
        let schema = RelationSchema {
            columns: Arc::new(of.project(&columns).unwrap()),
            key: of_key.map_or(Vec::new(), |rest| (0..first).chain(rest).collect()),
            counted: key.is_none(),
        };
        Side::Indexed { state: self.id(), schema, columns, within }
    }

    pub(super) fn matches(&mut self, source: &Source, plan: &Plan) -> Matches {
        let all = (0..plan.schema().fields().len()).collect();
        let keyed = !source.schema.counted && self.chance(2);
        Matches { state: self.id(), key: if keyed { source.schema.key.clone() } else { all } }
    }

    pub(super) fn join(&mut self, left: &Source, right: &Source) -> Plan {
        let (left_plan, right_plan) = (self.chain(left), self.chain(right));
        let is_integer = |data_type: &DataType| *data_type == DataType::Int64;
        let by_key =
            self.chance(3) && [left, right].iter().all(|side| is_integer(side.schema.columns.field(0).data_type()));
        let on = match by_key {
            true => (0, 0),
            false => {
                let lefts = Self::columns_of(&left_plan.schema(), is_integer);
                let rights = Self::columns_of(&right_plan.schema(), is_integer);
                (self.one_of(&lefts), self.one_of(&rights))
            }
        };
        let mut left_side = self.side(left, &left_plan, on.0, on == (0, 0));
        let mut right_side = self.side(right, &right_plan, on.1, on == (0, 0));
        let (left_schema, right_schema) = (left_plan.schema(), right_plan.schema());
        let mut fields: Vec<Field> = (left_schema.fields().iter().chain(right_schema.fields()))
            .enumerate()
            .map(|(index, field)| Field::new(format!("j{index}"), field.data_type().clone(), true))
            .collect();
        let both = Arc::new(Schema::new(fields.clone()));
        let mut filter = self.chance(3).then(|| {
            let literal = Expr::Literal(Value::Int(self.random.random_range(-2..4)));
            scalar(Expr::Less(literal.into(), self.integer(&both).into()), DataType::Boolean)
        });
        let of = |schema: &SchemaRef, on: usize| {
            let columns = Self::columns_of(schema, is_integer);
            columns.into_iter().filter(|column| *column != on).collect::<Vec<_>>()
        };
        let (lefts, rights) = (of(&left_schema, on.0), of(&right_schema, on.1));
        if self.chance(3) && !lefts.is_empty() && !rights.is_empty() {
            // left < right: a lower bound of the right side's rows and an upper one of the left side's.
            let (l, r) = (self.one_of(&lefts), self.one_of(&rights));
            let less = Expr::Less(Expr::Column(l).into(), Expr::Column(left_schema.fields().len() + r).into());
            filter = Some(scalar(less, DataType::Boolean));
            let bound = |column| Some(Bound { column, inclusive: false });
            let of_left = (l, Within { lower: None, upper: bound(r) });
            let of_right = (r, Within { lower: bound(l), upper: None });
            let key = |source: &Source| (!source.schema.counted).then(|| source.schema.key.clone());
            if self.chance(2) {
                left_side = self.indexed(&left_plan, vec![on.0], Some(of_left), key(left).as_deref());
            }
            if self.chance(2) {
                right_side = self.indexed(&right_plan, vec![on.1], Some(of_right), key(right).as_deref());
            }
        }
        let matched = self.matches(left, &left_plan);
        let kind = match self.random.random_range(0..8) {
            0 => JoinKind::Left { left: matched },
            1 => JoinKind::Full { left: matched, right: self.matches(right, &right_plan) },
            2 => JoinKind::Semi { left: matched },
            3 => JoinKind::Anti { left: matched },
            4 => JoinKind::Mark { left: matched },
            _ => JoinKind::Inner,
        };
        if let JoinKind::Semi { .. } | JoinKind::Anti { .. } | JoinKind::Mark { .. } = kind {
            fields.truncate(left_schema.fields().len());
        }
        if let JoinKind::Mark { .. } = kind {
            fields.push(Field::new("mark", DataType::Boolean, true));
        }
        Plan::Join {
            left: left_plan.into(),
            right: right_plan.into(),
            on: vec![on],
            filter,
            kind,
            left_side,
            right_side,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// A join one of whose sides is grouped by columns that it is joined on, and perhaps on another.
    pub(super) fn join_to_groups(&mut self, rows: &Source, of_groups: &Source) -> Plan {
        let is_integer = |data_type: &DataType| *data_type == DataType::Int64;
        let (rows_plan, below) = (self.chain(rows), self.chain(of_groups));
        let mut group = Self::columns_of(&below.schema(), is_integer);
        let count = self.random.random_range(1..=2.min(group.len()));
        group = (0..count).map(|_| group.remove(self.random.random_range(0..group.len()))).collect();
        let state = self.id();
        let groups = self.reduce(below, group.clone(), None, state);
        let Plan::Reduce { aggregates, .. } = &groups else { unreachable!("a Reduce is made") };
        let told = !aggregates.iter().any(|it| matches!(it.function, AggregateFunction::Sequence(_)));
        let groups = match self.random.random_range(0..4) {
            0 => self.filter(groups),
            1 => self.extend(groups),
            _ => groups,
        };
        let of_rows = Self::columns_of(&rows_plan.schema(), is_integer);
        let mut on: Vec<(usize, usize)> = (0..group.len()).map(|column| (self.one_of(&of_rows), column)).collect();
        let more = Self::columns_of(&groups.schema(), is_integer);
        let more: Vec<usize> = more.into_iter().filter(|&column| column >= group.len()).collect();
        if !more.is_empty() && self.chance(3) {
            on.insert(0, (self.one_of(&of_rows), self.one_of(&more)));
        }
        let prefix = (0..group.len()).map(|column| on.iter().position(|(_, of)| *of == column).unwrap()).collect();
        let side = match told && !self.chance(4) {
            true => Side::Reduced { prefix },
            false => self.indexed(&groups, on.iter().map(|(_, column)| *column).collect(), None, None),
        };
        let mut distinct: Vec<usize> = on.iter().map(|(column, _)| *column).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let rows_side = match distinct.len() == on.len() {
            true => self.indexed(&rows_plan, on.iter().map(|(column, _)| *column).collect(), None, None),
            false => Side::Resident { relation: rows.relation, schema: rows.schema.clone() },
        };
        let mut sides = [(rows_plan, rows_side), (groups, side)];
        if self.chance(3) {
            sides.reverse();
            on.iter_mut().for_each(|(left, right)| std::mem::swap(left, right));
        }
        let [(left, left_side), (right, right_side)] = sides;
        let all = |plan: &Plan| (0..plan.schema().fields().len()).collect::<Vec<_>>();
        let matched = Matches { state: self.id(), key: all(&left) };
        let kind = match self.random.random_range(0..6) {
            0 => JoinKind::Left { left: matched },
            1 => JoinKind::Full { left: matched, right: Matches { state: self.id(), key: all(&right) } },
            2 => JoinKind::Semi { left: matched },
            3 => JoinKind::Anti { left: matched },
            _ => JoinKind::Inner,
        };
        let (left_schema, right_schema) = (left.schema(), right.schema());
        let tests = matches!(kind, JoinKind::Semi { .. } | JoinKind::Anti { .. });
        let rights = if tests { 0 } else { right_schema.fields().len() };
        let fields = left_schema.fields().iter().chain(right_schema.fields().iter().take(rights));
        let fields =
            fields.enumerate().map(|(at, field)| Field::new(format!("g{at}"), field.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Plan::Join { left: left.into(), right: right.into(), on, filter: None, kind, left_side, right_side, schema }
    }

    /// A join whose left side is another.
    pub(super) fn nested_join(&mut self, left: &Source, right: &Source, third: &Source) -> Plan {
        let left_plan = self.join(left, right);
        let right_plan = self.chain(third);
        let is_integer = |data_type: &DataType| *data_type == DataType::Int64;
        let lefts = Self::columns_of(&left_plan.schema(), is_integer);
        let rights = Self::columns_of(&right_plan.schema(), is_integer);
        let (l, r) = (self.one_of(&lefts), self.one_of(&rights));
        let left_side = self.indexed(&left_plan, vec![l], None, None);
        let right_side = self.side(third, &right_plan, r, r == 0);
        let all = (0..left_plan.schema().fields().len()).collect();
        let kind = match self.random.random_range(0..3) {
            0 => JoinKind::Left { left: Matches { state: self.id(), key: all } },
            1 => JoinKind::Semi { left: Matches { state: self.id(), key: all } },
            _ => JoinKind::Inner,
        };
        let (left_schema, right_schema) = (left_plan.schema(), right_plan.schema());
        let rights = if let JoinKind::Semi { .. } = kind { 0 } else { right_schema.fields().len() };
        let fields = left_schema.fields().iter().chain(right_schema.fields().iter().take(rights));
        let fields = fields.enumerate().map(|(at, field)| field.as_ref().clone().with_name(format!("n{at}")));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Plan::Join {
            left: left_plan.into(),
            right: right_plan.into(),
            on: vec![(l, r)],
            filter: None,
            kind,
            left_side,
            right_side,
            schema,
        }
    }
}
