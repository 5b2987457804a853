//! Random views hold what a real PostgreSQL answers to their queries over the rows that [`Model`] says the tables hold: no plan
//! of ours has a part in that.
//!
//! What is not compared: a query for which PostgreSQL fails on some row (here such a row is in `caudal.errors`, and the others
//! are in the view), with what reads it; and a FULL JOIN on no equality, which it has not. Of the forms that queries have, those
//! are left out to which each may give another answer: see `Dialect`, where they are generated.

use std::collections::HashSet;

use storage::Event as LogEvent;
use tests::answer::Answer;
use tests::node::Node;
use tests::oracle::{Case, Cell, Model, View, message, shrink};
use tests::postgresql::PostgreSql;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::seeds;

/// Histories, each with a dozen queries; `CAUDAL_FULL=1` runs many more.
const CASES: (u64, u64) = (30, 1_000);

/// Letters beyond ASCII have upper cases, as in most databases; the order is that of the code points. What we say in
/// PostgreSQL's words goes before what it has of the same name.
const DATABASE: [&str; 2] = [
    "CREATE DATABASE shared TEMPLATE template0 LC_CTYPE 'C.UTF-8'",
    "ALTER DATABASE shared SET search_path = public, pg_catalog",
];

/// What Caudal has and PostgreSQL has not.
const WORDS: &str = "
    CREATE FUNCTION date_bin(interval, timestamptz) RETURNS timestamptz IMMUTABLE LANGUAGE sql
        AS $$ SELECT date_bin($1, $2, TIMESTAMPTZ '1970-01-01 00:00:00Z') $$;
    CREATE FUNCTION local_day(timestamptz, text) RETURNS date IMMUTABLE LANGUAGE sql
        AS $$ SELECT CAST($1 AT TIME ZONE $2 AS date) $$;
    CREATE FUNCTION median_of(float8[]) RETURNS float8 IMMUTABLE LANGUAGE sql
        AS $$ SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest($1) AS of(x) $$;
    CREATE AGGREGATE median(float8) (SFUNC = array_append, STYPE = float8[], FINALFUNC = median_of);
    CREATE FUNCTION with_another(anyarray, anyelement) RETURNS anyarray IMMUTABLE LANGUAGE sql
        AS $$ SELECT array_append($1, $2) $$;
    CREATE FUNCTION first_of(anyarray) RETURNS anyelement IMMUTABLE LANGUAGE sql AS $$ SELECT $1[1] $$;
    CREATE FUNCTION last_of(anyarray) RETURNS anyelement IMMUTABLE LANGUAGE sql AS $$ SELECT $1[cardinality($1)] $$;
    CREATE AGGREGATE first_value(anyelement) (SFUNC = with_another, STYPE = anyarray, FINALFUNC = first_of);
    CREATE AGGREGATE last_value(anyelement) (SFUNC = with_another, STYPE = anyarray, FINALFUNC = last_of)";

/// Both servers, for a case.
struct Beside<'a> {
    node: &'a Node,
    ours: Client,
    theirs: Client,
    case: &'a Case,
    /// Views that PostgreSQL has not got, or that read one.
    left_out: HashSet<String>,
}

/// Lives through the case; `Err` says what PostgreSQL answers otherwise, `Ok` how many views have been compared.
async fn live(case: &Case, postgresql: &PostgreSql) -> Result<usize, String> {
    let node = Node::start().await;
    let (ours, theirs) = (node.connect().await, postgresql.connect_to("shared").await);
    let mut beside = Beside { node: &node, ours, theirs, case, left_out: HashSet::new() };
    let outcome = match beside.feed().await {
        Ok(model) => {
            beside.tell(&model).await;
            beside.compare().await
        }
        Err(words) => Err(words),
    };
    drop(beside);
    node.stop().await;
    outcome
}

impl Beside<'_> {
    /// The history, here; what the tables then must hold.
    async fn feed(&self) -> Result<Model, String> {
        let mut model = Model::new(&self.case.tables);
        for table in &self.case.tables {
            self.ours.batch_execute(&table.ddl()).await.map_err(|error| format!("{}: {error:?}", table.ddl()))?;
        }
        let mut views = self.case.views.iter().peekable();
        for epoch in 0..=self.case.epochs.len() {
            while let Some(view) = views.next_if(|view| view.created_after <= epoch) {
                let create = format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, view.query);
                self.ours
                    .batch_execute(&create)
                    .await
                    .map_err(|error| format!("{create}: {:?}", error.as_db_error()))?;
            }
            let mut batches = vec![Vec::new(); self.case.tables.len()];
            for event in self.case.epochs.get(epoch).into_iter().flatten() {
                let (table, headers, key, value) = message(self.case, event);
                batches[table].push(LogEvent { key, value, headers, ..LogEvent::default() });
                model.apply(event, 0);
            }
            for (table, events) in self.case.tables.iter().zip(batches).filter(|(_, events)| !events.is_empty()) {
                self.node
                    .database
                    .submit(&table.name, events)
                    .await
                    .map_err(|error| format!("{}: {error}", table.name))?;
            }
        }
        Ok(model)
    }

    /// The tables and their rows, there.
    async fn tell(&self, model: &Model) {
        let run = async |statement: &str| {
            self.theirs.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        };
        run("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
        run(WORDS).await;
        for (index, table) in self.case.tables.iter().enumerate() {
            let types: Vec<_> = table.columns.iter().map(|column| column.cell_type.expect("a table has it")).collect();
            let columns: Vec<String> =
                table.columns.iter().zip(&types).map(|(column, of)| format!("{} {}", column.name, of.sql())).collect();
            run(&format!("CREATE TABLE {} ({})", table.name, columns.join(", "))).await;
            for (_, row) in model.rows(index) {
                let cell = |(cell, of): (&Cell, _)| match cell {
                    Cell::Null => "NULL".to_owned(),
                    cell => cell.literal(of),
                };
                let cells: Vec<String> = row.iter().zip(types.iter().copied()).map(cell).collect();
                run(&format!("INSERT INTO {} VALUES ({})", table.name, cells.join(", "))).await;
            }
        }
    }

    async fn compare(&mut self) -> Result<usize, String> {
        for table in &self.case.tables {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let all = format!("SELECT {} FROM {}", columns.join(", "), table.name);
            self.same(&all, &all).await?;
        }
        let mut compared = 0;
        for view in &self.case.views {
            if self.is_there(view).await? {
                let all = format!("SELECT * FROM {}", view.name);
                self.same(&all, &all).await.map_err(|words| format!("{}\n{words}", view.query))?;
                // The query itself may fail where PostgreSQL does not: what ON asks of a pair may be asked of one side first.
                let failed = Answer::of(&self.ours, &view.query).await.err();
                if failed.is_none_or(|(code, _)| !code.starts_with("22")) {
                    self.same(&view.query, &all).await?;
                }
                compared += 1;
            }
        }
        Ok(compared)
    }

    /// Has PostgreSQL keep what it answers, in a table with the view's name.
    async fn is_there(&mut self, view: &View) -> Result<bool, String> {
        if view.sources.iter().any(|source| self.left_out.contains(source)) {
            self.left_out.insert(view.name.clone());
            return Ok(false);
        }
        let create = format!("CREATE TABLE {} AS {}", view.name, view.query);
        let Err(error) = self.theirs.batch_execute(&create).await else { return Ok(true) };
        let said = error.as_db_error().expect("PostgreSQL says why");
        let fails_on_a_row = said.code().code().starts_with("22");
        if fails_on_a_row || said.message().starts_with("FULL JOIN is only supported") {
            self.left_out.insert(view.name.clone());
            return Ok(false);
        }
        Err(format!("{}\nis nothing that PostgreSQL knows: {}", view.query, said.message()))
    }

    async fn same(&self, ours: &str, theirs: &str) -> Result<(), String> {
        let expected = Answer::of(&self.theirs, theirs).await.map_err(|error| format!("{theirs}: {error:?}"))?;
        let found = Answer::of(&self.ours, ours).await.map_err(|error| format!("{ours}: {error:?}"))?;
        match found.differs(&expected) {
            Some(difference) => Err(format!("{ours}: {difference}")),
            None => Ok(()),
        }
    }
}

#[test]
fn views_hold_what_postgresql_answers() {
    let Some(postgresql) = PostgreSql::start() else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let client = postgresql.connect().await;
        for statement in DATABASE {
            client.batch_execute(statement).await.unwrap();
        }
    });
    let lives = |case: &Case| runtime.block_on(live(case, &postgresql));
    let (mut views, mut compared) = (0, 0);
    for seed in seeds(CASES) {
        let case = Case::shared(seed);
        views += case.views.len();
        compared += lives(&case).unwrap_or_else(|_| {
            let smallest = shrink(case, &|case| lives(case).is_err());
            let reason = lives(&smallest).expect_err("it still fails");
            panic!("CAUDAL_SEED={seed}: {reason}\nthe smallest history that fails:\n{smallest}");
        });
    }
    println!("{compared} of {views} views compared");
    assert!(compared * 2 > views, "most views can be compared, not {compared} of {views}");
}
