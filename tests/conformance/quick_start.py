#!/usr/bin/env python3
"""The SDK's quick start for the cache service: create an instance, list, delete.

Runs against whatever the environment names, the service itself or a simulator:

    HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK   the access key and its secret
    DCS_ENDPOINT, IAM_ENDPOINT               where the service and IAM answer
    DCS_REGION                               the region; its project is looked up by the SDK
    DCS_STEP_URL                             a simulator's /_simulator/clock/step, if its clock stands still
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
    """Lets the cloud work: a simulator's clock is pushed, any other is waited for."""
    step = os.environ.get("DCS_STEP_URL")
    if step:
        body = json.dumps({"seconds": seconds}).encode()
        urllib.request.urlopen(urllib.request.Request(step, body, method="POST"), timeout=10).close()
    else:
        time.sleep(seconds)


def names(client: DcsClient) -> list:
    """The instances there are, with their statuses."""
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
        # The service takes minutes to let an instance go; half an hour at most, says its manual.
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
