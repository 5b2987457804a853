import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/**
 * Asks a broker the same questions whatever it is, by Kafka's own Java client, and prints each with its answer as a JSON line:
 * Asks.java SERVERS. An answer is values, or the class of the exception. Names of clusters, ids and addresses are left out.
 */
public class Asks {
    static final long FIRST_MS = 1_700_000_000_000L;
    static final Duration PATIENCE = Duration.ofSeconds(30);
    static final ObjectMapper JSON = new ObjectMapper();
    static String servers;
    static Admin admin;

    public static void main(String[] arguments) throws Exception {
        servers = arguments[0];
        try (Admin opened = Admin.create(settings(Map.of()))) {
            admin = opened;
            topics();
            configs();
            records();
            positions();
            groups();
        }
    }

    static Map<String, Object> settings(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", servers));
        settings.putAll(more);
        return settings;
    }

    static void ask(String question, Callable<Object> answer) throws Exception {
        Object got;
        try {
            got = answer.call();
        } catch (Exception thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            got = Map.of("error", cause.getClass().getSimpleName());
        }
        System.out.println(JSON.writeValueAsString(Arrays.asList(question, got)));
    }

    /** Asks until it is so; what is not within half a minute never will be. */
    static void until(BooleanSupplier isSo) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!isSo.getAsBoolean()) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("it never came to be");
        }
    }

    static TopicPartition at(int partition) {
        return new TopicPartition("t", partition);
    }

    static void topics() throws Exception {
        ask("topics are made", () -> {
            CreateTopicsResult made = admin.createTopics(List.of(
                new NewTopic("t", Optional.of(3), Optional.empty()),
                new NewTopic("kept", 1, (short) 1).configs(Map.of("retention.ms", "7200000"))));
            made.all().get();
            return List.of(made.numPartitions("t").get(), made.replicationFactor("t").get(), made.numPartitions("kept").get());
        });
        ask("and again", () -> admin.createTopics(List.of(new NewTopic("t", 3, (short) 1))).all().get());
        until(() -> {
            try {
                return admin.listTopics().names().get().containsAll(Set.of("t", "kept")) && described("t").size() == 3;
            } catch (Exception not) {
                return false;
            }
        });
        ask("listed", () -> new TreeSet<>(admin.listTopics().names().get()));
        ask("described", () -> described("t"));
        ask("one that is not there", () -> admin.describeTopics(List.of("missing")).allTopicNames().get());
        ask("the cluster", () -> {
            DescribeClusterResult cluster = admin.describeCluster();
            return List.of(cluster.nodes().get().size(), cluster.controller().get().isEmpty(), cluster.clusterId().get().isEmpty());
        });
    }

    static Object of(TopicPartitionInfo partition) {
        return List.of(partition.partition(), partition.replicas().size(), partition.isr().size(), partition.leader() != null);
    }

    static List<Object> described(String topic) throws Exception {
        var partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
        return partitions.stream().map(Asks::of).collect(Collectors.toList());
    }

    static void configs() throws Exception {
        ConfigResource kept = new ConfigResource(ConfigResource.Type.TOPIC, "kept");
        Callable<Object> read = () -> {
            Config config = admin.describeConfigs(List.of(kept)).all().get().get(kept);
            return Stream.of("cleanup.policy", "retention.ms", "retention.bytes")
                .map(config::get)
                .map(entry -> List.of(entry.name(), entry.value(), entry.isDefault(), entry.isSensitive()))
                .collect(Collectors.toList());
        };
        ask("settings", read);
        Map<AlterConfigOp.OpType, String[]> changes = new LinkedHashMap<>();
        changes.put(AlterConfigOp.OpType.SET, new String[] {"retention.bytes", "1000000000"});
        changes.put(AlterConfigOp.OpType.DELETE, new String[] {"retention.ms", ""});
        changes.put(AlterConfigOp.OpType.APPEND, new String[] {"retention.ms", "5"});
        for (var change : changes.entrySet()) {
            ConfigEntry entry = new ConfigEntry(change.getValue()[0], change.getValue()[1]);
            var asked = Map.of(kept, (Collection<AlterConfigOp>) List.of(new AlterConfigOp(entry, change.getKey())));
            ask(change.getKey() + " " + entry.name(), () -> admin.incrementalAlterConfigs(asked).all().get());
            ask("settings then", read);
        }
        for (ConfigEntry bad : List.of(new ConfigEntry("retention.ms", "soon"), new ConfigEntry("no.setting", "1"))) {
            var asked = Map.of(kept, (Collection<AlterConfigOp>) List.of(new AlterConfigOp(bad, AlterConfigOp.OpType.SET)));
            ask(bad.name() + " = " + bad.value(), () -> admin.incrementalAlterConfigs(asked).all().get());
        }
        ConfigResource missing = new ConfigResource(ConfigResource.Type.TOPIC, "missing");
        ask("settings of what is not there", () -> admin.describeConfigs(List.of(missing)).all().get());
    }

    static void records() throws Exception {
        for (String compression : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            ask(compression + " in", () -> {
                var settings = settings(Map.of("compression.type", compression, "linger.ms", 20));
                try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
                    List<Future<RecordMetadata>> sent = new ArrayList<>();
                    for (int n = 0; n < 12; n++) {
                        var record = new ProducerRecord<>("t", n % 2, FIRST_MS + n, n % 5 == 1 ? null : "key-" + n, n % 7 == 3 ? null : "value-" + n);
                        record.headers().add("id", ("" + n).getBytes()).add(new RecordHeader("empty", (byte[]) null));
                        sent.add(producer.send(record));
                    }
                    List<Object> told = new ArrayList<>();
                    for (var one : sent) told.add(List.of(one.get().partition(), one.get().offset(), one.get().timestamp()));
                    return told;
                }
            });
        }
        ask("by key, to whichever partition", () -> {
            try (var producer = new KafkaProducer<>(settings(Map.of()), new StringSerializer(), new StringSerializer())) {
                Set<Integer> partitions = new TreeSet<>();
                for (int n = 0; n < 20; n++) partitions.add(producer.send(new ProducerRecord<>("kept", "key-" + n, "v")).get().partition());
                return List.of(partitions, producer.partitionsFor("kept").size());
            }
        });
        ask("larger than a topic takes", () -> {
            var settings = settings(Map.of("max.request.size", 20_000_000, "buffer.memory", 64_000_000L));
            try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
                return producer.send(new ProducerRecord<>("kept", new byte[16_000_000])).get().offset();
            }
        });
        ask("the first of a partition are deleted", () -> {
            var deleted = admin.deleteRecords(Map.of(at(1), RecordsToDelete.beforeOffset(4)));
            return deleted.lowWatermarks().get(at(1)).get().lowWatermark();
        });
    }

    static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("auto.offset.reset", "earliest", "enable.auto.commit", false));
        settings.putAll(more);
        return new KafkaConsumer<>(settings(settings), new StringDeserializer(), new StringDeserializer());
    }

    static Object said(ConsumerRecord<String, String> record) {
        List<Object> headers = new ArrayList<>();
        record.headers().forEach(h -> headers.add(Arrays.asList(h.key(), h.value() == null ? null : new String(h.value()))));
        return Arrays.asList(record.partition(), record.offset(), record.timestamp(), record.key(), record.value(), headers);
    }

    static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        until(() -> {
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            return records.size() >= count;
        });
        records.sort(Comparator.comparing((ConsumerRecord<String, String> r) -> r.partition()).thenComparing(r -> r.offset()));
        return records;
    }

    static void positions() throws Exception {
        try (var consumer = consumer(Map.of())) {
            List<TopicPartition> all = List.of(at(0), at(1), at(2));
            consumer.assign(all);
            ask("all of it out", () -> read(consumer, 56).stream().map(Asks::said).collect(Collectors.toList()));
            ask("where they start", () -> sorted(consumer.beginningOffsets(all)));
            ask("where they end", () -> sorted(consumer.endOffsets(all)));
            ask("where one stands", () -> List.of(consumer.position(at(0)), consumer.position(at(1)), consumer.position(at(2))));
            ask("how far one is behind", () -> consumer.currentLag(at(0)).orElse(-1));
            ask("paused", () -> {
                consumer.seek(at(0), 28);
                consumer.seek(at(1), 28);
                consumer.pause(List.of(at(0)));
                return List.of(read(consumer, 2).stream().map(Asks::said).collect(Collectors.toList()), consumer.position(at(0)));
            });
            ask("by time", () -> {
                var found = consumer.offsetsForTimes(Map.of(at(0), FIRST_MS + 5, at(1), FIRST_MS, at(2), FIRST_MS));
                return all.stream().map(found::get).map(o -> o == null ? "none" : List.of(o.offset(), o.timestamp())).collect(Collectors.toList());
            });
        }
        ask("beyond its end, or an error", () -> {
            try (var consumer = consumer(Map.of("auto.offset.reset", "none"))) {
                consumer.assign(List.of(at(0)));
                consumer.seek(at(0), 1000);
                return read(consumer, 1).size();
            }
        });
        for (OffsetSpec spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp(), OffsetSpec.forTimestamp(FIRST_MS + 3))) {
            for (TopicPartition of : List.of(at(0), at(1), at(2))) {
                ask(spec.getClass().getSimpleName() + " of " + of, () -> {
                    var found = admin.listOffsets(Map.of(of, spec)).partitionResult(of).get();
                    return List.of(found.offset(), found.timestamp());
                });
            }
        }
    }

    static Map<String, Object> sorted(Map<TopicPartition, ?> by) {
        Map<String, Object> sorted = new TreeMap<>();
        by.forEach((partition, value) -> sorted.put(partition.toString(), value));
        return sorted;
    }

    /** A consumer that reads in a thread of its own until it is told to leave. */
    static class Member extends Thread {
        final Map<String, Object> settings;
        final Set<TopicPartition> has = ConcurrentHashMap.newKeySet();
        final Set<String> read = ConcurrentHashMap.newKeySet();
        volatile boolean leaves;

        Member(Map<String, Object> settings) {
            this.settings = settings;
            setDaemon(true);
            start();
        }

        public void run() {
            try (var consumer = consumer(settings)) {
                consumer.subscribe(List.of("t"), new ConsumerRebalanceListener() {
                    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                        has.addAll(partitions);
                    }
                    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                        has.removeAll(partitions);
                    }
                });
                while (!leaves) {
                    consumer.poll(Duration.ofMillis(50)).forEach(r -> read.add(r.partition() + "-" + r.offset()));
                    try {
                        consumer.commitSync();
                    } catch (RebalanceInProgressException again) {
                        // The next poll takes part in it.
                    }
                }
            }
        }

        void leave() throws Exception {
            leaves = true;
            join();
        }
    }

    static void groups() throws Exception {
        for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
            String group = "of " + assignor;
            Map<String, Object> settings = Map.of(
                "group.id", group, "client.id", "ana", "heartbeat.interval.ms", 200,
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
            Member first = new Member(settings);
            until(() -> first.has.size() == 3 && first.read.size() == 56);
            Member second = new Member(settings);
            until(() -> first.has.size() + second.has.size() == 3 && !second.has.isEmpty() && stable(group));
            ask(assignor + ", two members", () -> {
                var found = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                var has = found.members().stream().map(m -> List.of(m.clientId(), m.assignment().topicPartitions().size()).toString()).sorted();
                return List.of(found.groupState().toString(), found.partitionAssignor(), has.collect(Collectors.toList()));
            });
            first.leave();
            until(() -> second.has.size() == 3);
            ask("its offsets are not altered", () -> admin.alterConsumerGroupOffsets(group, Map.of(at(0), new OffsetAndMetadata(1))).all().get());
            ask("its offsets are not forgotten", () -> admin.deleteConsumerGroupOffsets(group, Set.of(at(0))).all().get());
            ask("it is not deleted", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            second.leave();
            ask("nothing was read twice", () -> List.of(first.read.size(), second.read.size()));
            ask("committed", () -> {
                var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
                return sorted(committed.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, e -> e.getValue().offset())));
            });
            ask("with words", () -> {
                admin.alterConsumerGroupOffsets(group, Map.of(at(0), new OffsetAndMetadata(7, Optional.of(0), "by hand"))).all().get();
                var found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(at(0));
                return List.of(found.offset(), found.metadata());
            });
            ask("forgotten of one partition", () -> {
                admin.deleteConsumerGroupOffsets(group, Set.of(at(0))).all().get();
                return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().size();
            });
        }
        ask("a member is removed", () -> {
            Member member = new Member(Map.of("group.id", "static", "group.instance.id", "one"));
            until(() -> member.has.size() == 3);
            member.leave();
            // A static member that leaves keeps its place until somebody takes it away.
            var before = admin.describeConsumerGroups(List.of("static")).all().get().get("static").members().size();
            admin.removeMembersFromConsumerGroup("static", new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all().get();
            return List.of(before, admin.describeConsumerGroups(List.of("static")).all().get().get("static").members().size());
        });
        ask("listed", () -> admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get().stream()
            .map(g -> List.of(g.groupId(), g.groupState().get().toString(), g.isSimpleConsumerGroup()).toString()).sorted().collect(Collectors.toList()));
        ask("deleted", () -> admin.deleteConsumerGroups(List.of("static", "of RangeAssignor", "of CooperativeStickyAssignor")).all().get());
        ask("a group that is not there", () -> admin.deleteConsumerGroups(List.of("static")).all().get());
        ask("topics are deleted", () -> admin.deleteTopics(List.of("t", "kept")).all().get());
    }

    static boolean stable(String group) {
        try {
            var found = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            return found.groupState() == GroupState.STABLE && found.members().stream().allMatch(m -> !m.assignment().topicPartitions().isEmpty());
        } catch (Exception not) {
            return false;
        }
    }
}
