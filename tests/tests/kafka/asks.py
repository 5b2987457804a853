"""Asks a broker the same questions whatever it is and prints each with its answer as a JSON line: asks.py SERVERS

An answer is what a client makes of it: values, or the name of the error. Names of clusters, ids and addresses are left out.
"""

import json
import sys
import time

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec

SERVERS = sys.argv[1]
PATIENCE_S = 30
FIRST_MS = 1_700_000_000_000
ADMIN = AdminClient({"bootstrap.servers": SERVERS})


def name(error):
    return error.args[0].name() if isinstance(error, KafkaException) else error.name()


def ask(question, answer):
    """Prints what a function returns, or the error that it ends with."""
    try:
        got = answer()
    except KafkaException as error:
        got = {"error": name(error)}
    print(json.dumps([question, got]), flush=True)


def result(futures):
    """Of a call of the administrator on several things: each with its outcome."""
    outcomes = {}
    for key, future in futures.items():
        try:
            future.result(PATIENCE_S)
            outcomes[str(key)] = "done"
        except KafkaException as error:
            outcomes[str(key)] = name(error)
    return outcomes


def one(futures):
    return next(iter(futures.values())).result(PATIENCE_S)


def topic(name, partitions=1, **more):
    config = more.pop("config", {})
    return NewTopic(name, partitions, more.pop("replicas", 1), config=config)


def consumer(group="nobody", **more):
    settings = {"bootstrap.servers": SERVERS, "group.id": group, "enable.auto.commit": False, "enable.partition.eof": True}
    return Consumer(settings | {key.replace("_", "."): value for key, value in more.items()})


def topics():
    make = lambda *new, **options: result(ADMIN.create_topics(list(new), **options))
    ask("a topic", lambda: make(topic("t", 2)))
    ask("again", lambda: make(topic("t", 2)))
    ask("without partitions", lambda: make(topic("none", 0)))
    ask("with too many replicas", lambda: make(topic("far", replicas=3)))
    ask("with a name that is none", lambda: make(topic("no/name")))
    ask("with a name of dots", lambda: make(topic("..")))
    ask("with a setting that is none", lambda: make(topic("set", config={"no.setting": "1"})))
    ask("with a value that is none", lambda: make(topic("set", config={"retention.ms": "soon"})))
    ask("only looked at", lambda: make(topic("looked", 3), validate_only=True))
    ask("several, one of them known", lambda: make(topic("one"), topic("t")))
    ask("one that is not there is deleted", lambda: result(ADMIN.delete_topics(["missing"])))
    ask("one is deleted", lambda: result(ADMIN.delete_topics(["one"])))
    ask("fewer partitions", lambda: result(ADMIN.create_partitions([NewPartitions("t", 1)])))
    ask("as many partitions", lambda: result(ADMIN.create_partitions([NewPartitions("t", 2)])))
    ask("partitions of what is not there", lambda: result(ADMIN.create_partitions([NewPartitions("missing", 2)])))

    def listed():
        found = ADMIN.list_topics(timeout=PATIENCE_S)
        kept = {name: topic for name, topic in found.topics.items() if not name.startswith("__")}
        shape = lambda topic: [[p.id, len(p.replicas), len(p.isrs)] for p in topic.partitions.values()]
        return [len(found.brokers), {name: shape(topic) for name, topic in sorted(kept.items())}]

    ask("what there is", listed)
    of = lambda name: [ConfigResource(ConfigResource.Type.TOPIC, name)]
    ask("settings of what is not there", lambda: result(ADMIN.describe_configs(of("missing"))))

    def settings(topic):
        # Kafka has made a topic a moment before all of it knows.
        while result(ADMIN.describe_configs(of(topic))) != {str(of(topic)[0]): "done"}:
            time.sleep(0.02)
        found = one(ADMIN.describe_configs(of(topic)))
        return {name: found[name].value for name in ["cleanup.policy", "retention.ms", "retention.bytes"]}

    ask("settings", lambda: settings("t"))
    ask("with settings", lambda: make(topic("kept", config={"retention.ms": "7200000", "retention.bytes": "1000000000"})))
    ask("its settings", lambda: settings("kept"))


def records():
    def produce(partition, count, compression="none", first=0):
        offsets, failures = [], []
        producer = Producer({"bootstrap.servers": SERVERS, "compression.type": compression, "enable.idempotence": True})

        def delivered(error, message):
            (failures if error else offsets).append(error.name() if error else message.offset())

        for number in range(first, first + count):
            headers = [("id", str(number)), ("empty", None), ("twice", "a"), ("twice", "b")]
            value = None if number % 7 == 3 else f"value-{number}"
            key = None if number % 5 == 1 else f"key-{number % 3}"
            producer.produce(
                "t", value, key, partition, headers=headers, timestamp=FIRST_MS + number, on_delivery=delivered
            )
        producer.flush(PATIENCE_S)
        return [offsets, failures]

    for at, compression in enumerate(["none", "gzip", "snappy", "lz4", "zstd"]):
        ask(f"{compression} in", lambda: produce(0, 4, compression, 4 * at))
    ask("to a partition that is not there", lambda: produce(7, 1))

    def read(offset, reset="error", partition=0, of="t"):
        reader = consumer(auto_offset_reset=reset)
        reader.assign([TopicPartition(of, partition, offset)])
        got = []
        while True:
            message = reader.poll(PATIENCE_S)
            if message is None:
                return ["nothing", got]
            if message.error():
                end = message.error().code() == KafkaError._PARTITION_EOF
                got.append(["end", message.offset()] if end else message.error().name())
                reader.close()
                return got
            text = lambda value: value and value.decode()
            headers = [[key, text(value)] for key, value in message.headers() or []]
            got.append([message.offset(), text(message.key()), text(message.value()), message.timestamp(), headers])

    ask("all of it out", lambda: read(0))
    ask("from the middle", lambda: read(17))
    ask("from its end", lambda: read(20))
    ask("from beyond its end", lambda: read(21))
    ask("from beyond its end, or the end", lambda: read(21, "latest"))
    ask("from beyond its end, or the start", lambda: len(read(21, "earliest")))
    ask("an empty partition", lambda: read(0, partition=1))

    bounds = lambda name, partition: consumer().get_watermark_offsets(TopicPartition(name, partition), PATIENCE_S)
    ask("bounds", lambda: bounds("t", 0))
    ask("bounds of an empty partition", lambda: bounds("t", 1))
    times = lambda ms: [found.offset for found in consumer().offsets_for_times([TopicPartition("t", 0, ms)], PATIENCE_S)]
    for ms in [0, FIRST_MS, FIRST_MS + 11, FIRST_MS + 19, FIRST_MS + 20]:
        ask(f"the first record from {ms} on", lambda: times(ms))
    for question, spec in [("earliest", OffsetSpec.earliest()), ("latest", OffsetSpec.latest())]:
        for isolation in [IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED]:
            asked = lambda: one(ADMIN.list_offsets({TopicPartition("t", 0): spec}, isolation_level=isolation)).offset
            ask(f"{question}, {isolation.name}", asked)

    delete = lambda name, partition, offset: one(ADMIN.delete_records([TopicPartition(name, partition, offset)])).low_watermark
    ask("records are deleted", lambda: delete("t", 0, 5))
    ask("and again", lambda: delete("t", 0, 5))
    ask("and fewer", lambda: delete("t", 0, 2))
    ask("more than there are", lambda: delete("t", 0, 21))
    ask("bounds then", lambda: bounds("t", 0))
    ask("from before its start", lambda: read(2))
    ask("from before its start, or the start", lambda: len(read(2, "earliest")))
    ask("the first record of all then", lambda: times(0))
    ask("all of them", lambda: delete("t", 0, -1))
    ask("bounds at last", lambda: bounds("t", 0))


def groups():
    told = lambda offsets: [[o.topic, o.partition, o.offset, o.error and o.error.name()] for o in offsets]
    at = lambda offset, partition=0, name="t": TopicPartition(name, partition, offset)
    commit = lambda group, *positions: told(consumer(group).commit(offsets=list(positions), asynchronous=False))
    ask("nothing is committed", lambda: told(consumer("g").committed([at(-1001), at(-1001, 1)], PATIENCE_S)))
    ask("committed by nobody in particular", lambda: commit("g", at(3), at(4, 1)))
    ask("committed then", lambda: told(consumer("g").committed([at(-1001), at(-1001, 1)], PATIENCE_S)))
    ask("committed for a partition that is not there", lambda: commit("g", at(1, 9)))
    ask("committed for a topic that is not there", lambda: commit("g", at(1, 0, "missing")))

    def described(group):
        found = one(ADMIN.describe_consumer_groups([group]))
        members = [[m.client_id, [[t.topic, t.partition] for t in m.assignment.topic_partitions]] for m in found.members]
        return [found.state.name, found.is_simple_consumer_group, found.partition_assignor, members]

    def listed():
        found = ADMIN.list_consumer_groups().result(PATIENCE_S)
        return sorted([group.group_id, group.state.name, group.is_simple_consumer_group] for group in found.valid)

    offsets = lambda group: told(one(ADMIN.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).topic_partitions)
    alter = lambda group, *to: told(
        one(ADMIN.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, list(to))])).topic_partitions
    )
    ask("described", lambda: described("g"))
    ask("listed", listed)
    ask("its offsets", lambda: sorted(offsets("g")))
    ask("offsets of a group that is not there", lambda: offsets("missing"))
    ask("offsets are altered", lambda: alter("g", at(7)))
    ask("its offsets then", lambda: sorted(offsets("g")))
    ask("a group that is not there is deleted", lambda: result(ADMIN.delete_consumer_groups(["missing"])))

    member = consumer("m", auto_offset_reset="earliest", client_id="ana", partition_assignment_strategy="range")
    member.subscribe(["t"])
    while len(member.assignment()) < 2:
        member.poll(0.1)
    ask("a group with a member", lambda: described("m"))
    ask("it is not deleted", lambda: result(ADMIN.delete_consumer_groups(["m"])))
    ask("its offsets are not altered", lambda: alter("m", at(7)))
    ask("others do not commit for it", lambda: commit("m", at(1)))
    ask("it commits", lambda: told(member.commit(offsets=[at(1)], asynchronous=False)))
    ask("listed with it", listed)
    member.close()
    ask("when it has left", lambda: described("m"))
    ask("groups are deleted", lambda: result(ADMIN.delete_consumer_groups(["m", "g"])))
    ask("none are left", listed)


topics()
records()
groups()
