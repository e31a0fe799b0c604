//! A lake twice: in a local folder with the embedded engine, and on S3 and Glue with a Trino. What one statement gives on
//! both is compared.

use athena_local::Trino;
use meterlake_core::catalog::PartitionFilter;
use meterlake_core::engine::Statement;
use meterlake_core::lake::Lake;
use meterlake_core::layout::TableLayout;
use meterlake_core::location::Location;
use meterlake_core::log;
use meterlake_core::names::TableName;
use meterlake_core::notes::Published;
use meterlake_core::publications;
use meterlake_core::sql::{SqlValue, SqlValues};

use crate::lake::{Row, TestLake, tables};
use crate::lakes::lake_on_trino;

/// The two lakes.
pub struct Both {
    /// In a local folder, with the embedded engine.
    pub local: TestLake,
    /// On S3 and Glue, with a Trino behind the stand-in for Athena.
    pub on_trino: Lake,
}

impl Both {
    /// Copies a local lake with its tables: every object, and every partition.
    pub async fn of(local: TestLake, trino: &Trino) -> Self {
        let both = Self { on_trino: lake_on_trino(trino).await, local };
        tables(&both.on_trino).await.expect("tables");
        both.copy().await;
        both
    }

    /// Copies what the local lake has and the other one has not.
    pub async fn copy(&self) {
        let (from, to) = (&self.local.lake, &self.on_trino);
        let files = self.local.files().into_keys();
        let mut objects: Vec<Location> =
            files.map(|file| Location::from_path(&file).expect("a path in UTF-8")).collect();
        let logs = from.store.list(&from.config.lake.join(log::FOLDER).join("publications")).await.expect("logs");
        objects.extend(logs.into_iter().map(|entry| entry.location));
        for path in objects {
            let content = from.store.read(&path).await.expect("a readable object").expect("an object");
            to.store.write(&self.moved(&path), &content).await.expect("an object that can be written");
        }
        for table in from.catalog.tables(&from.config.database).await.expect("tables") {
            let table_in = |lake: &Lake| TableName::new(lake.config.database.clone(), table.clone());
            let partitions = from.catalog.partitions(&table_in(from), &PartitionFilter::default()).await;
            let mut partitions = partitions.expect("a catalog that answers");
            for partition in &mut partitions {
                partition.location = self.moved(&partition.location);
            }
            to.catalog.add_partitions(&table_in(to), &partitions).await.expect("partitions that can be added");
        }
    }

    /// The generations that a table's periods publish: what a statement over it may see.
    pub async fn generations<P: Published>(&self, table: &TableLayout) -> SqlValue {
        let heads = publications::heads_since::<P>(&self.local.lake, table, None).await.expect("logs");
        let published = heads.iter().filter_map(|(_, head)| head.publication());
        SqlValue::Texts(published.map(|published| published.generation.to_string()).collect())
    }

    /// The same place in the lake on S3.
    fn moved(&self, location: &Location) -> Location {
        let path = location.to_string();
        let below = path.strip_prefix(&self.local.lake.config.lake.to_string()).expect("a place in the lake");
        self.on_trino.config.lake.join(below.trim_start_matches('/'))
    }

    /// Runs a statement on both for what it does.
    pub async fn execute(&self, sql: impl Fn(&Lake) -> String) {
        for lake in [&self.local.lake, &self.on_trino] {
            let statement = statement(lake, sql(lake));
            lake.engine.execute(&statement).await.unwrap_or_else(|error| panic!("{error:#}: {}", statement.sql));
        }
    }

    /// Runs a query on both, which must give the same rows, in any order. A place in the lake reads `lake:/…`.
    ///
    /// # Panics
    /// They give other rows, or one of them fails.
    pub async fn same_rows(&self, sql: impl Fn(&Lake) -> String) -> Vec<Row> {
        let sql = &sql;
        self.same_answer(sql).await.unwrap_or_else(|error| panic!("{error}: {}", sql(&self.on_trino)))
    }

    /// As [`Both::same_rows`], for a query that may be wrong. `Err`: both refuse it; why the embedded engine does.
    ///
    /// # Panics
    /// They give other rows, or only one of them refuses the query.
    pub async fn same_answer(&self, sql: impl Fn(&Lake) -> String) -> Result<Vec<Row>, String> {
        let embedded = rows_of(&self.local.lake, sql(&self.local.lake)).await;
        let trino = rows_of(&self.on_trino, sql(&self.on_trino)).await;
        let sql = sql(&self.on_trino);
        let (embedded, trino) = match (embedded, trino) {
            (Ok(embedded), Ok(trino)) => (embedded, trino),
            (Err(error), Err(_)) => return Err(error),
            (Err(error), Ok(_)) => panic!("only the embedded engine refuses this: {error}: {sql}"),
            (Ok(_), Err(error)) => panic!("only Trino refuses this: {error}: {sql}"),
        };
        let only = |these: &[Row], those: &[Row]| -> Vec<Row> {
            these.iter().filter(|row| those.binary_search(row).is_err()).take(5).cloned().collect()
        };
        assert!(
            embedded == trino,
            "{} rows of the embedded engine, {} of Trino, for {sql}\nonly embedded: {:#?}\nonly Trino: {:#?}",
            embedded.len(),
            trino.len(),
            only(&embedded, &trino),
            only(&trino, &embedded)
        );
        Ok(embedded)
    }
}

/// A query's rows, sorted; or why it failed.
async fn rows_of(lake: &Lake, sql: String) -> Result<Vec<Row>, String> {
    let answer = lake.engine.query(&statement(lake, sql)).await.map_err(|error| format!("{error:#}"))?;
    let root = lake.config.lake.to_string();
    let mut rows = answer.rows;
    for cell in rows.iter_mut().flatten().flatten() {
        *cell = cell.replace(&root, "lake:");
    }
    rows.sort();
    Ok(rows)
}

/// A SQL file's one statement, for a lake.
///
/// # Panics
/// There is no such file, or the values are not its parameters.
#[must_use]
pub fn rendered(lake: &Lake, file: &str, values: &SqlValues) -> String {
    let file = lake.sql.query(file).expect("a SQL file");
    file.render_one(values).expect("the values that it takes")
}

fn statement(lake: &Lake, sql: String) -> Statement {
    let database = lake.config.database.clone();
    Statement { label: "the test's statement".to_owned(), sql, database, token: None }
}
