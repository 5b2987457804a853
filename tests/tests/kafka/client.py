"""A confluent-kafka client that does what its first argument says and prints what it got as JSON lines.

client.py SERVERS produce TOPIC COUNT COMPRESSION IDEMPOTENCE   -> {"delivered": n, "offsets": [first, last]}
client.py SERVERS consume TOPIC COUNT                          -> one line a record
client.py SERVERS admin TOPIC PARTITIONS                       -> settings of the topic that it makes
client.py SERVERS times TOPIC TIMESTAMP_MS                     -> {"offset": o, "bounds": [low, high]}
client.py SERVERS transaction                                  -> {"refused": why}
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

PATIENCE_S = 30


def show(value):
    print(json.dumps(value), flush=True)


def produce(servers, topic, count, compression, idempotence):
    producer = Producer(
        {
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
        {
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
    client = AdminClient({"bootstrap.servers": servers})
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


if __name__ == "__main__":
    actions = {"produce": produce, "consume": consume, "admin": admin, "times": times, "transaction": transaction}
    actions[sys.argv[2]](sys.argv[1], *sys.argv[3:])
