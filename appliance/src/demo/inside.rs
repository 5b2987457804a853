//! Statements of the demo itself, which need no door.

use anyhow::Context;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use sql::{Cancel, Response, Session};

use crate::node::in_words;
use crate::pack::Rows;

pub struct Inside {
    session: Session,
}

impl Inside {
    pub fn new(session: Session) -> Inside {
        Inside { session }
    }

    pub async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        self.answer(statement).await.map(drop)
    }

    /// A query's rows, as text.
    pub async fn rows(&self, query: &str) -> anyhow::Result<Rows> {
        let Response::Rows { rows, .. } = self.answer(query).await? else { return Ok(Rows::new()) };
        let mut answer = Rows::new();
        for batch in rows.try_collect::<Vec<_>>().await? {
            let columns = batch.columns().iter().map(|column| cast(column, &DataType::Utf8));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            answer.extend((0..batch.num_rows()).map(|row| {
                let cell = |column: &arrow::array::ArrayRef| {
                    let texts = column.as_string::<i32>();
                    texts.is_valid(row).then(|| texts.value(row).to_owned())
                };
                columns.iter().map(cell).collect()
            }));
        }
        Ok(answer)
    }

    async fn answer(&self, statement: &str) -> anyhow::Result<Response> {
        let answered = async {
            let prepared = self.session.prepare(statement, &[]).await?;
            self.session.execute(&prepared, Vec::new(), Cancel::new()).await
        };
        let answer = answered.await.map_err(|error| anyhow::Error::msg(in_words(&error)));
        answer.with_context(|| format!("preparing the demo with {statement}"))
    }
}
