package peers;

/** The payload, the same everywhere. */
public record Placed(int number, String note) {

    static Placed of(int number) {
        return new Placed(number, "a job that says what to do, and to which of the things that it knows");
    }
}
