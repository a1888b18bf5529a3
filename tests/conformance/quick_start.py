#!/usr/bin/env python3
"""The SDK's quick start for DCS: create, list and delete an instance.

The environment selects the service or a simulator:

    HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK   access key and secret key
    DCS_ENDPOINT, IAM_ENDPOINT               endpoints of DCS and IAM
    DCS_REGION                               region; the SDK looks up its project
    DCS_STEP_URL                             /_simulator/clock/step of a simulator with a stopped clock
"""

import json
import os
import time
import urllib.request

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkdcs.v2 import (
    CreateInstanceBody,
    CreateInstanceRequest,
    DcsClient,
    DeleteSingleInstanceRequest,
    ListInstancesRequest,
    ShowInstanceRequest,
)


def wait(seconds: float) -> None:
    """Waits, or advances the clock of a simulator."""
    step = os.environ.get("DCS_STEP_URL")
    if step:
        body = json.dumps({"seconds": seconds}).encode()
        urllib.request.urlopen(urllib.request.Request(step, body, method="POST"), timeout=10).close()
    else:
        time.sleep(seconds)


def names(client: DcsClient) -> list:
    """Names and statuses of all instances."""
    answer = client.list_instances(ListInstancesRequest(limit=10))
    return [(instance.name, instance.status) for instance in answer.instances]


def main() -> None:
    region = os.environ["DCS_REGION"]
    credentials = BasicCredentials(os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"])
    credentials = credentials.with_iam_endpoint(os.environ["IAM_ENDPOINT"])
    client = (
        DcsClient.new_builder()
        .with_credentials(credentials)
        .with_region(Region(region, os.environ["DCS_ENDPOINT"]))
        .build()
    )
    try:
        body = CreateInstanceBody(
            name="quick-start",
            engine="Redis",
            engine_version="6.0",
            capacity=0.125,
            spec_code="redis.single.xu1.tiny.128",
            az_codes=[os.environ.get("DCS_ZONE", f"{region}a")],
            vpc_id="5e37b3be-950a-48e1-b498-65b63d336481",
            subnet_id="a4112635-3ec0-471c-95c3-5cf49b9533af",
            no_password_access=True,
        )
        created = client.create_instance(CreateInstanceRequest(body=body))
        print("create:", created)
        instance_id = created.instances[0].instance_id
        print("list:  ", names(client))
        for _ in range(30):
            instance = client.show_instance(ShowInstanceRequest(instance_id=instance_id))
            if instance.status == "RUNNING":
                break
            wait(10)
        print("show:  ", instance.status, instance.ip, instance.port, instance.domain_name)
        print("list:  ", names(client))
        client.delete_single_instance(DeleteSingleInstanceRequest(instance_id=instance_id))
        print("delete:", names(client))
        # Deleting takes minutes; the manual documents at most half an hour.
        for _ in range(180):
            if not names(client):
                break
            wait(10)
        print("list:  ", names(client))
    except exceptions.ClientRequestException as refused:
        print(refused.status_code, refused.request_id, refused.error_code, refused.error_msg)
        raise SystemExit(1) from refused


if __name__ == "__main__":
    main()
