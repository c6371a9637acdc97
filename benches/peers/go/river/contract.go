package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What each program of benches/peers answers to; here for those in Go. The words are explained in the README of
// benches/peers, and are the same in every language.

const tables = `
	CREATE TABLE orders (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id uuid NOT NULL, total_cents integer NOT NULL,
		placed_at timestamptz NOT NULL);
	CREATE TABLE copies (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, listener smallint NOT NULL, number integer NOT NULL);`

// The row that is written beside each job: $1 is the job's number.
const insertOrder = `INSERT INTO orders (customer_id, total_cents, placed_at)
	VALUES ('5eed0000-0000-4000-8000-000000000001', $1, now())`

const note = "a job that says what to do, and to which of the things that it knows"

const (
	tellEvery = 2 * time.Millisecond
	patience  = 30 * time.Second
)

type about struct {
	Version       string   `json:"version"`
	Runtime       string   `json:"runtime"`
	Keeps         bool     `json:"keeps"`
	Configuration string   `json:"configuration"`
	Unfinished    string   `json:"unfinished"`
	Can           []string `json:"can"`
}

type peer interface {
	about() about
	setUp(ctx context.Context, url string) error
	// open connects, for so many callers at once.
	open(ctx context.Context, url string, callers int) (running, error)
}

type running interface {
	// enqueue is one transaction: the order and the job. It answers with when its COMMIT was sent.
	enqueue(ctx context.Context, number int) (int64, error)
	bulk(ctx context.Context, jobs int) error
	// work returns when it works, with what stops it.
	work(ctx context.Context, seen *seen, latency bool) (func(), error)
}

// seen is how many jobs have started, and, if asked for, when.
type seen struct {
	count       atomic.Int64
	notesStarts bool
	mutex       sync.Mutex
	starts      [][2]int64
}

// job is the first line of a job's handler.
func (s *seen) job(number int) {
	if s.notesStarts {
		now := nowUs()
		s.mutex.Lock()
		s.starts = append(s.starts, [2]int64{int64(number), now})
		s.mutex.Unlock()
	}
	s.count.Add(1)
}

// nowUs is microseconds since 1970: the one clock that all processes of a machine share.
func nowUs() int64 { return time.Now().UnixMicro() }

type arguments map[string]string

func (a arguments) number(name string) int {
	number, _ := strconv.Atoi(a[name])
	return number
}

func (a arguments) real(name string) float64 {
	number, _ := strconv.ParseFloat(a[name], 64)
	return number
}

func say(answer any) {
	line, _ := json.Marshal(answer)
	fmt.Println(string(line))
}

// run does what the command line asks for.
func run(p peer) error {
	if len(os.Args) < 2 {
		return errors.New("what to do? see the README of benches/peers")
	}
	named := arguments{}
	for at := 2; at+1 < len(os.Args); at += 2 {
		named[strings.TrimPrefix(os.Args[at], "--")] = os.Args[at+1]
	}
	ctx := context.Background()
	switch task := os.Args[1]; task {
	case "about":
		say(p.about())
		return nil
	case "setup":
		return p.setUp(ctx, named["url"])
	case "enqueue":
		return enqueueTask(ctx, p, named)
	case "bulk":
		return bulkTask(ctx, p, named)
	case "work":
		return workTask(ctx, p, named)
	case "produce":
		open, err := p.open(ctx, named["url"], 1)
		if err != nil {
			return err
		}
		sent, err := atAPace(ctx, open, named.number("n"), named.real("rate"))
		say(map[string]any{"sent": sent})
		return err
	case "latency":
		return latencyTask(ctx, p, named)
	default:
		return fmt.Errorf("no task %s", task)
	}
}

func enqueueTask(ctx context.Context, p peer, named arguments) error {
	callers := named.number("callers")
	open, err := p.open(ctx, named["url"], callers)
	if err != nil {
		return err
	}
	var count int64
	var took time.Duration
	if jobs := named.number("n"); jobs > 0 {
		count, took, err = soMany(ctx, open, callers, jobs)
	} else {
		took = time.Duration(named.real("seconds") * float64(time.Second))
		count, err = forAWhile(ctx, open, callers, took)
	}
	say(map[string]any{"count": count, "seconds": took.Seconds()})
	return err
}

// forAWhile: the first tenth of the time warms up and does not count.
func forAWhile(ctx context.Context, open running, callers int, span time.Duration) (int64, error) {
	begin := time.Now().Add(span / 10)
	end := begin.Add(span)
	var count atomic.Int64
	err := each(callers, func() error {
		for time.Now().Before(end) {
			if _, err := open.enqueue(ctx, 0); err != nil {
				return err
			}
			if now := time.Now(); !now.Before(begin) && now.Before(end) {
				count.Add(1)
			}
		}
		return nil
	})
	return count.Load(), err
}

func soMany(ctx context.Context, open running, callers, jobs int) (int64, time.Duration, error) {
	var next atomic.Int64
	started := time.Now()
	err := each(callers, func() error {
		for {
			number := next.Add(1) - 1
			if number >= int64(jobs) {
				return nil
			}
			if _, err := open.enqueue(ctx, int(number)); err != nil {
				return err
			}
		}
	})
	return int64(jobs), time.Since(started), err
}

func each(callers int, call func() error) error {
	errs := make([]error, callers)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() { errs[caller] = call() })
	}
	group.Wait()
	return errors.Join(errs...)
}

func bulkTask(ctx context.Context, p peer, named arguments) error {
	open, err := p.open(ctx, named["url"], 1)
	if err != nil {
		return err
	}
	started := time.Now()
	err = open.bulk(ctx, named.number("n"))
	say(map[string]any{"count": named.number("n"), "seconds": time.Since(started).Seconds()})
	return err
}

func workTask(ctx context.Context, p peer, named arguments) error {
	latency := named["starts"] == "true"
	open, err := p.open(ctx, named["url"], 4)
	if err != nil {
		return err
	}
	seen := &seen{notesStarts: latency}
	input := bufio.NewScanner(os.Stdin)
	say(map[string]any{"ready": true})
	input.Scan()
	stop, err := open.work(ctx, seen, latency)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		for input.Scan() {
		}
		close(ended)
	}()
	told := int64(0)
	for going := true; going; {
		select {
		case <-ended:
			going = false
		case <-time.After(tellEvery):
			if count := seen.count.Load(); count != told {
				told = count
				say(map[string]any{"handled": count})
			}
		}
	}
	stop()
	say(map[string]any{"handled": seen.count.Load(), "starts": seen.starts, "ended": true})
	return nil
}

func atAPace(ctx context.Context, open running, jobs int, rate float64) ([][2]int64, error) {
	sent := make([][2]int64, 0, jobs)
	ticks := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer ticks.Stop()
	for number := range jobs {
		at, err := open.enqueue(ctx, number)
		if err != nil {
			return sent, err
		}
		sent = append(sent, [2]int64{int64(number), at})
		<-ticks.C
	}
	return sent, nil
}

// latencyTask has producer and worker in one process.
func latencyTask(ctx context.Context, p peer, named arguments) error {
	open, err := p.open(ctx, named["url"], 4)
	if err != nil {
		return err
	}
	seen := &seen{notesStarts: true}
	stop, err := open.work(ctx, seen, true)
	if err != nil {
		return err
	}
	// The worker listens before the first job comes, as it does in life.
	time.Sleep(500 * time.Millisecond)
	jobs := named.number("n")
	sent, err := atAPace(ctx, open, jobs, named.real("rate"))
	if err != nil {
		return err
	}
	for until := time.Now().Add(patience); seen.count.Load() < int64(jobs) && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	say(map[string]any{"sent": sent, "starts": seen.starts})
	return nil
}
