"""A confluent-kafka client that does what its first argument says and prints what it got as JSON lines.

client.py SERVERS produce TOPIC COUNT COMPRESSION IDEMPOTENCE   -> {"delivered": n, "offsets": [first, last]}
client.py SERVERS consume TOPIC COUNT                          -> one line a record
client.py SERVERS admin TOPIC PARTITIONS                       -> settings of the topic that it makes
client.py SERVERS times TOPIC TIMESTAMP_MS                     -> {"offset": o, "bounds": [low, high]}
client.py SERVERS transaction                                  -> {"refused": why}
client.py SERVERS member GROUP TOPIC [INSTANCE]                -> {"assigned": [partition..]}, {"revoked": ..} and each
                                                                  [partition, offset, value] once it is committed, until
                                                                  a line comes in: "leave" or "vanish"
client.py SERVERS topics                                       -> {"topics": [..]} or {"refused": [why..]}
client.py SERVERS groups GROUP                                 -> {"listed": [..], "state": s, "members": [..], "committed": {..}}
client.py SERVERS forget GROUP                                 -> {"forgotten": true} or {"refused": why}
client.py SERVERS commit_alone GROUP TOPIC                     -> {"committed": [offset]} or {"refused": why}
"""

import json
import os
import select
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

PATIENCE_S = 30
# What every client is given besides, as the variable CLIENT_SETTINGS has it.
SETTINGS = json.loads(os.environ.get("CLIENT_SETTINGS", "{}"))


def show(value):
    print(json.dumps(value), flush=True)


def produce(servers, topic, count, compression, idempotence):
    producer = Producer(
        SETTINGS
        | {
            "bootstrap.servers": servers,
            "compression.type": compression,
            "enable.idempotence": idempotence == "true",
            "linger.ms": 5,
        }
    )
    offsets, failures = [], []

    def delivered(error, message):
        if error:
            failures.append(str(error))
        else:
            offsets.append(message.offset())

    for number in range(int(count)):
        while True:
            try:
                producer.produce(
                    topic,
                    key=f"key-{number % 7}",
                    value=f"value-{number}",
                    headers=[("id", str(number)), ("empty", None)],
                    timestamp=1_700_000_000_000 + number,
                    on_delivery=delivered,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(PATIENCE_S)
    show({"delivered": len(offsets), "failures": failures[:3], "offsets": [min(offsets), max(offsets)]})


def consumer(servers):
    return Consumer(
        SETTINGS
        | {
            "bootstrap.servers": servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )


def consume(servers, topic, count):
    reader = consumer(servers)
    reader.assign([TopicPartition(topic, 0, 0)])
    deadline, left = time.monotonic() + PATIENCE_S, int(count)
    while left > 0 and time.monotonic() < deadline:
        for message in reader.consume(num_messages=left, timeout=0.2):
            if message.error():
                raise KafkaException(message.error())
            left -= 1
            text = lambda value: None if value is None else value.decode()
            headers = [[name, text(value)] for name, value in message.headers() or []]
            show([message.offset(), message.timestamp()[1], text(message.key()), text(message.value()), headers])
    reader.close()


def admin(servers, topic, partitions):
    client = AdminClient(SETTINGS | {"bootstrap.servers": servers})
    new = NewTopic(topic, num_partitions=int(partitions), config={"retention.bytes": "123456"})
    client.create_topics([new])[topic].result(PATIENCE_S)
    try:
        client.create_topics([NewTopic(topic, num_partitions=1, config={"cleanup.policy": "compact"})])[topic].result(PATIENCE_S)
    except KafkaException as error:
        show({"refused": error.args[0].str()})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    configs = client.describe_configs([resource])[resource].result(PATIENCE_S)
    show({name: config.value for name, config in configs.items()})
    show({"partitions": len(client.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions)})


def times(servers, topic, timestamp_ms):
    reader = consumer(servers)
    found = reader.offsets_for_times([TopicPartition(topic, 0, int(timestamp_ms))], timeout=PATIENCE_S)
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE_S)
    show({"offset": found[0].offset, "bounds": [low, high]})
    reader.close()


def transaction(servers):
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "t"})
    try:
        producer.init_transactions(PATIENCE_S)
        show({"refused": None})
    except KafkaException as error:
        show({"refused": error.args[0].str()})


def member(servers, group, topic, instance=None):
    settings = {
        "bootstrap.servers": servers,
        "group.id": group,
        "client.id": "member",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "topic.metadata.refresh.interval.ms": 500,
    }
    reader = Consumer(settings | ({"group.instance.id": instance} if instance else {}))
    numbers = lambda partitions: sorted(partition.partition for partition in partitions)
    reader.subscribe(
        [topic],
        on_assign=lambda _, partitions: show({"assigned": numbers(partitions)}),
        on_revoke=lambda _, partitions: show({"revoked": numbers(partitions)}),
    )
    while not select.select([sys.stdin], [], [], 0)[0]:
        message = reader.poll(0.1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        try:
            reader.commit(message, asynchronous=False)
        except KafkaException:
            # Somebody else may read it now, or this one again.
            continue
        show([message.partition(), message.offset(), message.value().decode()])
    if sys.stdin.readline().strip() == "vanish":
        os._exit(0)
    reader.close()


def topics(servers):
    """Whether one comes in: {"topics": [..]} or {"refused": why}."""
    why = []
    client = AdminClient(SETTINGS | {"bootstrap.servers": servers, "error_cb": lambda error: why.append(error.name())})
    try:
        show({"topics": sorted(client.list_topics(timeout=5).topics)})
    except KafkaException as error:
        client.poll(1)
        show({"refused": sorted({*why, error.args[0].name()})})


def groups(servers, group):
    client = AdminClient(SETTINGS | {"bootstrap.servers": servers})
    listed = client.list_consumer_groups().result(PATIENCE_S).valid
    described = client.describe_consumer_groups([group])[group].result(PATIENCE_S)
    committed = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(PATIENCE_S)
    reads = lambda member: sorted(partition.partition for partition in member.assignment.topic_partitions)
    show(
        {
            "listed": sorted(found.group_id for found in listed),
            "state": described.state.name,
            "members": sorted([found.client_id, found.host, reads(found)] for found in described.members),
            "committed": {str(of.partition): of.offset for of in committed.topic_partitions},
        }
    )


def forget(servers, group):
    client = AdminClient(SETTINGS | {"bootstrap.servers": servers})
    try:
        client.delete_consumer_groups([group])[group].result(PATIENCE_S)
        show({"forgotten": True})
    except KafkaException as error:
        show({"refused": error.args[0].name()})


def commit_alone(servers, group, topic):
    """Commits as a consumer that reads without being a member."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
    try:
        done = reader.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
        show({"committed": [of.error.name() if of.error else of.offset for of in done]})
    except KafkaException as error:
        show({"refused": error.args[0].name()})
    reader.close()


if __name__ == "__main__":
    actions = [produce, consume, admin, times, transaction, member, topics, groups, forget, commit_alone]
    {action.__name__: action for action in actions}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
