"""Makes templates that the emulator can deploy, in place, out of copies of the real ones.

It knows the SAM transform, but not in nested stacks: AWS's own translator does it here. And it lacks two things, which are
left out: named queries, and alarms on what CloudWatch learns is usual.
"""

import pathlib
import sys

from samcli.yamlhelper import yaml_dump, yaml_parse
from samtranslator.translator.transform import transform

SAM = "AWS::Serverless-2016-10-31"


def without_sam(template):
    """The template as SAM expands it. Code stays where it is: it is packed later."""
    transforms = template["Transform"]
    others = [name for name in transforms if name != SAM] if isinstance(transforms, list) else []
    template["Transform"] = SAM
    code = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            code[name] = resource["Properties"]["CodeUri"]
            # The translator takes no local folder.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    expanded = transform(template, {}, None)
    for name, folder in code.items():
        expanded["Resources"][name]["Properties"]["Code"] = folder
    if others:
        expanded["Transform"] = others
    return expanded


def change(path, how):
    path.write_text(yaml_dump(how(yaml_parse(path.read_text()))))


def without_queries(template):
    del template["Resources"]["Queries"]
    return template


def without_learning(template):
    del template["Resources"]["NoCalls"]
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    body["Fn::Sub"] = body["Fn::Sub"].replace('"${NoCalls.Arn}", ', "")
    return template


folder = pathlib.Path(sys.argv[1])
for name in "api.yaml", "jobs.yaml":
    change(folder / name, without_sam)
change(folder / "template.yaml", without_queries)
change(folder / "watch.yaml", without_learning)
