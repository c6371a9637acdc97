package peers;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

import org.springframework.stereotype.Component;

/** How many deliveries have started, and, if asked for, when; and whether listeners write their rows. */
@Component
public class Seen {

    final AtomicLong count = new AtomicLong();
    final List<List<Long>> starts = Collections.synchronizedList(new ArrayList<>());
    volatile boolean notesStarts;
    volatile boolean writes;

    /** Microseconds since 1970: the one clock that all processes of a machine share. */
    static long nowUs() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    }

    void event(int number) {
        if (notesStarts) {
            starts.add(List.of((long) number, nowUs()));
        }
        count.incrementAndGet();
    }
}
