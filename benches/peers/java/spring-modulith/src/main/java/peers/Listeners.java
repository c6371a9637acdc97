package peers;

import java.util.List;

import org.springframework.context.support.GenericApplicationContext;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.modulith.events.ApplicationModuleListener;

/** Up to five listeners. Each is a class of its own, since a listener is known by its class and method. */
public final class Listeners {

    private Listeners() {
    }

    static void register(GenericApplicationContext context, int listeners) {
        List<Class<? extends Listener>> all = List.of(First.class, Second.class, Third.class, Fourth.class, Fifth.class);
        all.subList(0, listeners).forEach(listener -> context.registerBean(listener));
    }

    abstract static class Listener {

        private final Seen seen;
        private final JdbcTemplate jdbc;
        private final int number;

        Listener(Seen seen, JdbcTemplate jdbc, int number) {
            this.seen = seen;
            this.jdbc = jdbc;
            this.number = number;
        }

        void handle(Placed event) {
            seen.event(event.number());
            if (seen.writes) {
                jdbc.update("INSERT INTO copies (listener, number) VALUES (?, ?)", number, event.number());
            }
        }
    }

    public static class First extends Listener {
        public First(Seen seen, JdbcTemplate jdbc) {
            super(seen, jdbc, 1);
        }

        @ApplicationModuleListener
        public void on(Placed event) {
            handle(event);
        }
    }

    public static class Second extends Listener {
        public Second(Seen seen, JdbcTemplate jdbc) {
            super(seen, jdbc, 2);
        }

        @ApplicationModuleListener
        public void on(Placed event) {
            handle(event);
        }
    }

    public static class Third extends Listener {
        public Third(Seen seen, JdbcTemplate jdbc) {
            super(seen, jdbc, 3);
        }

        @ApplicationModuleListener
        public void on(Placed event) {
            handle(event);
        }
    }

    public static class Fourth extends Listener {
        public Fourth(Seen seen, JdbcTemplate jdbc) {
            super(seen, jdbc, 4);
        }

        @ApplicationModuleListener
        public void on(Placed event) {
            handle(event);
        }
    }

    public static class Fifth extends Listener {
        public Fifth(Seen seen, JdbcTemplate jdbc) {
            super(seen, jdbc, 5);
        }

        @ApplicationModuleListener
        public void on(Placed event) {
            handle(event);
        }
    }
}
