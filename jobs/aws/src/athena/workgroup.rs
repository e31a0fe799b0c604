//! The workgroup, checked before anything runs in it.

use anyhow::{Result, anyhow, bail};
use meterlake_core::config::AthenaConfig;

use super::api::{Api, Workgroup};
use super::errors::CallError;
use super::patience::patiently;

/// Looks the workgroup up; gives the result location that queries must name, if they must.
pub(super) async fn output(api: &dyn Api, config: &AthenaConfig) -> Result<Option<String>> {
    let name = &config.workgroup;
    let workgroup = patiently(|| api.workgroup(name)).await.map_err(|error| unusable(name, &error))?;
    output_of(&workgroup, config)
}

fn unusable(name: &str, error: &CallError) -> anyhow::Error {
    let hint = match error.code.as_deref() {
        Some("InvalidRequestException") => ": create it, or name another with the setting athena.workgroup",
        Some("AccessDeniedException") => ": allow the action athena:GetWorkGroup",
        _ => "",
    };
    anyhow!("the Athena workgroup `{name}` cannot be looked up ({error}){hint}")
}

fn output_of(workgroup: &Workgroup, config: &AthenaConfig) -> Result<Option<String>> {
    let (name, setting) = (&config.workgroup, config.output.trim());
    if workgroup.is_disabled {
        bail!(
            "the Athena workgroup `{name}` is disabled: enable it, or name another with the setting athena.workgroup"
        );
    }
    // Athena refuses a CTAS with external_location there, and all jobs write with one.
    if let Some(location) = &workgroup.output
        && workgroup.is_enforced
    {
        bail!(
            "the Athena workgroup `{name}` enforces its own result location {location}, so that no table can be \
             written where it belongs: turn \"Override client-side settings\" off in it \
             (EnforceWorkGroupConfiguration=false), or name another with the setting athena.workgroup"
        );
    }
    match (setting, &workgroup.output) {
        ("", None) if !workgroup.keeps_results => bail!(
            "neither the Athena workgroup `{name}` nor the setting athena.output says where the results of queries go: \
             set athena.output to a folder such as s3://bucket/athena-results"
        ),
        ("", _) => Ok(None),
        (_, _) if workgroup.keeps_results => bail!(
            "the Athena workgroup `{name}` keeps the results of queries itself (managed query results), which excludes \
             a place of one's own: take the setting athena.output away, or name another workgroup with athena.workgroup"
        ),
        (output, _) if !output.starts_with("s3://") => {
            bail!("the setting `athena.output` is `{output}`: give a folder such as s3://bucket/athena-results")
        }
        (output, _) => Ok(Some(output.to_owned())),
    }
}
