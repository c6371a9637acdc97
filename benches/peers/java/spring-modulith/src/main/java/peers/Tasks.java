package peers;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

import org.springframework.context.ApplicationEventPublisher;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Component;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** The tasks of the contract. */
@Component
public class Tasks {

    private static final String TABLES = """
            CREATE TABLE orders (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id uuid NOT NULL, total_cents integer NOT NULL,
                placed_at timestamptz NOT NULL);
            CREATE TABLE copies (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, listener smallint NOT NULL, number integer NOT NULL);""";

    private static final String INSERT_ORDER = """
            INSERT INTO orders (customer_id, total_cents, placed_at)
            VALUES ('5eed0000-0000-4000-8000-000000000001', ?, now())""";

    private static final String UNFINISHED = "SELECT count(*) FROM event_publication WHERE completion_date IS NULL";

    private static final long PATIENCE_NANOS = 150_000_000_000L;

    private final JdbcTemplate jdbc;
    private final TransactionTemplate transactions;
    private final ApplicationEventPublisher events;
    private final Seen seen;

    Tasks(JdbcTemplate jdbc, PlatformTransactionManager manager, ApplicationEventPublisher events, Seen seen) {
        this.jdbc = jdbc;
        this.transactions = new TransactionTemplate(manager);
        this.events = events;
        this.seen = seen;
    }

    void setUp() {
        jdbc.execute(TABLES);
    }

    /** One transaction: the order and the event. Answers with when its COMMIT was sent. */
    private long enqueue(int number) {
        Long sent = transactions.execute(status -> {
            jdbc.update(INSERT_ORDER, number);
            events.publishEvent(Placed.of(number));
            return Seen.nowUs();
        });
        return sent == null ? 0 : sent;
    }

    Map<String, Object> enqueue(int callers, String jobs, String seconds) throws Exception {
        if (jobs != null) {
            return soMany(callers, Integer.parseInt(jobs));
        }
        // Elsewhere the first tenth of the time warms up; a virtual machine would like more.
        warmUp(callers);
        long span = (long) (Double.parseDouble(seconds) * 1e9);
        long end = System.nanoTime() + span;
        AtomicLong count = new AtomicLong();
        each(callers, () -> {
            while (System.nanoTime() < end) {
                enqueue(0);
                if (System.nanoTime() < end) {
                    count.incrementAndGet();
                }
            }
            return null;
        });
        return Map.of("count", count.get(), "seconds", span / 1e9);
    }

    private void warmUp(int callers) throws Exception {
        long end = System.nanoTime() + 2_000_000_000L;
        each(callers, () -> {
            while (System.nanoTime() < end) {
                enqueue(0);
            }
            return null;
        });
    }

    private Map<String, Object> soMany(int callers, int jobs) throws Exception {
        AtomicInteger next = new AtomicInteger();
        long started = System.nanoTime();
        each(callers, () -> {
            for (int number = next.getAndIncrement(); number < jobs; number = next.getAndIncrement()) {
                enqueue(number);
            }
            return null;
        });
        return Map.of("count", jobs, "seconds", (System.nanoTime() - started) / 1e9);
    }

    private static void each(int callers, Callable<Void> call) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(callers);
        try {
            List<Future<Void>> calls = threads.invokeAll(java.util.Collections.nCopies(callers, call));
            for (Future<Void> one : calls) {
                one.get();
            }
        } finally {
            threads.shutdown();
        }
    }

    Map<String, Object> latency(int jobs, int rate) throws Exception {
        warmUp(1);
        until(() -> jdbc.queryForObject(UNFINISHED, Long.class) == 0);
        seen.count.set(0);
        seen.notesStarts = true;
        List<List<Long>> sent = new ArrayList<>();
        long started = System.nanoTime();
        for (int number = 0; number < jobs; number++) {
            LockSupport.parkNanos(started + number * 1_000_000_000L / rate - System.nanoTime());
            sent.add(List.of((long) number, enqueue(number)));
        }
        until(() -> seen.count.get() >= jobs);
        return Map.of("sent", sent, "starts", List.copyOf(seen.starts));
    }

    /** All events in one transaction: its commit starts the deliveries, and nothing is published while they go on. */
    Map<String, Object> deliver(int published, int listeners) throws Exception {
        warmUp(1);
        until(() -> jdbc.queryForObject(UNFINISHED, Long.class) == 0);
        seen.count.set(0);
        seen.writes = true;
        Long started = transactions.execute(status -> {
            for (int number = 0; number < published; number++) {
                events.publishEvent(Placed.of(number));
            }
            return System.nanoTime();
        });
        long all = (long) published * listeners;
        until(() -> seen.count.get() >= all);
        until(() -> jdbc.queryForObject(UNFINISHED, Long.class) == 0);
        return Map.of("count", all, "seconds", (System.nanoTime() - started) / 1e9);
    }

    private static void until(Callable<Boolean> isSo) throws Exception {
        long end = System.nanoTime() + PATIENCE_NANOS;
        while (!isSo.call()) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the listeners do not get through");
            }
            Thread.sleep(1);
        }
    }
}
