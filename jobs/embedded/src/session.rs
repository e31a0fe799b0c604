//! DataFusion sessions: one a statement, over one runtime.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use aws_config::SdkConfig;
use datafusion::catalog::Session;
use datafusion::error::Result as PlanResult;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionConfig, SessionContext};
use meterlake_core::config::EmbeddedConfig;
use meterlake_core::names::Name;

use crate::keys::{KeyLabelPlanner, KnownKeyRule, NumberedKeyRule};
use crate::objects::ObjectStores;
use crate::one_item::OneItemRule;
use crate::table::{LakeCatalog, Reader};
use crate::{CATALOG, dialect, functions, guards};

/// Makes sessions that share memory, disk and object stores.
#[derive(Clone)]
pub(crate) struct Sessions {
    runtime: Arc<RuntimeEnv>,
    threads: usize,
    /// How buckets are reached; `None`: as the SDK finds it.
    sdk: Option<SdkConfig>,
}

impl Sessions {
    pub(crate) fn new(config: &EmbeddedConfig, sdk: Option<SdkConfig>) -> Result<Self> {
        let pool = FairSpillPool::new(config.memory_mib << 20);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc()?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self { runtime, threads: if config.threads == 0 { cores } else { config.threads }, sdk })
    }

    pub(crate) fn objects(&self) -> ObjectStores {
        ObjectStores::new(Arc::clone(&self.runtime), self.sdk.clone())
    }

    /// A session that reads tables with `reader`; names without a database are of `database`.
    pub(crate) fn session(&self, reader: Reader, database: &Name) -> Result<SessionContext> {
        let config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, database.as_str());
        let state = SessionStateBuilder::new()
            .with_config(dialect::session_config(config))
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_default_features()
            .with_query_planner(Arc::new(LabellingPlanner))
            .with_optimizer_rules(guards::optimizer_rules())
            .with_optimizer_rule(Arc::new(NumberedKeyRule))
            .with_optimizer_rule(Arc::new(KnownKeyRule))
            .with_physical_optimizer_rules(guards::physical_optimizer_rules())
            .with_physical_optimizer_rule(Arc::new(functions::CoalesceOnce))
            .with_physical_optimizer_rule(Arc::new(OneItemRule))
            .with_physical_optimizer_rule(guards::last_rule())
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context).map_err(|error| anyhow!(error)).context("cannot register the functions")?;
        context.register_catalog(CATALOG, Arc::new(LakeCatalog::new(reader)));
        Ok(context)
    }
}

/// DataFusion's planner, which also knows labels by key.
#[derive(Debug)]
pub(crate) struct LabellingPlanner;

#[async_trait]
impl QueryPlanner for LabellingPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(KeyLabelPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}
