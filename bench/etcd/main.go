// SPDX-License-Identifier: Apache-2.0

// The peer's client of `bench/run store`: the commands of bench/common.h for an etcd, over gRPC with its own clientv3
// from Debian's golang-etcd-server-dev.
//
//	etcd-client ENDPOINT CONNECTIONS
package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

var pod = "{metadata: {name: web-################-#####, namespace: default, uid: ########-####-####-####-############, " +
	"labels: {app: web, pod-template-hash: ##########}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, " +
	"name: web-##########, uid: ########-####-####-####-############, controller: true}]}, spec: {containers: [{name: " +
	"main, image: registry.example/web:1.##, ports: [{containerPort: 8080, protocol: TCP}], resources: {requests: " +
	"{cpu: 100m, memory: 64Mi}}, volumeMounts: [{name: kube-api-access-#####, readOnly: true, mountPath: " +
	"/var/run/secrets/kubernetes.io/serviceaccount}], imagePullPolicy: IfNotPresent}], restartPolicy: Always, " +
	"terminationGracePeriodSeconds: 30, dnsPolicy: ClusterFirst, serviceAccountName: default, nodeName: node-##}, " +
	"status: {phase: Running, conditions: [{type: Ready, status: True}], hostIP: 10.0.0.##, podIP: 10.244.#.##, " +
	"startTime: 2026-01-01T0#:##:##Z, containerStatuses: [{name: main, ready: true, restartCount: 0}]}} "

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	check(err)
	return n
}

// As bench_value of bench/common.c: parts of a text that is made once.
var texts [2][]byte

func makeTexts() {
	r := rand.New(rand.NewSource(1))
	for kind := range texts {
		texts[kind] = make([]byte, 1<<20)
		for i := range texts[kind] {
			c := pod[i%len(pod)]
			if kind == 1 {
				c = letters[r.Intn(64)]
			} else if c == '#' {
				c = "0123456789abcdef"[r.Intn(16)]
			}
			texts[kind][i] = c
		}
	}
}

func fill(to []byte, random bool, r *rand.Rand) {
	draw := r.Uint64()
	at := int(draw % (1<<20 - 16384))
	if random {
		copy(to, texts[1][at:])
	} else {
		copy(to, texts[0][at-at%len(pod):])
	}
	for i := 0; i < 12 && i < len(to); i++ {
		to[i] = byte('a' + draw%16)
		draw >>= 5
	}
}

func key(namespace string, n int) string {
	return fmt.Sprintf("/registry/configmaps/%s/c%06d", namespace, n)
}

// Each worker has one request under way; `do` returns false when there is nothing more to ask.
func run(workers int, do func(worker int, r *rand.Rand) bool) {
	times := make([][]time.Duration, workers)
	var wait sync.WaitGroup
	begin := time.Now()
	for w := 0; w < workers; w++ {
		wait.Add(1)
		go func(w int) {
			defer wait.Done()
			r := rand.New(rand.NewSource(time.Now().UnixNano() + int64(w)))
			for {
				since := time.Now()
				if !do(w, r) {
					return
				}
				times[w] = append(times[w], time.Since(since))
			}
		}(w)
	}
	wait.Wait()
	seconds := time.Since(begin).Seconds()
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(float64(len(all)-1)*share)].Nanoseconds()) / 1000
	}
	fmt.Printf("{\"ops\":%d,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", len(all), seconds, at(0.5), at(0.99))
}

func write(clients []*clientv3.Client, words []string) {
	update := words[0] == "update"
	namespace, first, rest := words[1], 0, words[2:]
	if !update {
		first, rest = number(words[2]), words[3:]
	}
	count, workers, size, random := number(rest[0]), number(rest[1]), number(rest[2]), rest[3] == "random"
	end := time.Now().Add(time.Duration(number(rest[4])) * time.Millisecond)
	timed := number(rest[4]) > 0
	values := make([][]byte, workers)
	for i := range values {
		values[i] = make([]byte, size)
	}
	var issued int64
	run(workers, func(w int, r *rand.Rand) bool {
		n := int(atomic.AddInt64(&issued, 1)) - 1
		if (!update && n >= count) || (timed && time.Now().After(end)) {
			return false
		}
		if update {
			n = r.Intn(count)
		}
		fill(values[w], random, r)
		_, err := clients[w%len(clients)].Put(context.Background(), key(namespace, first+n), string(values[w]))
		check(err)
		return true
	})
}

func get(clients []*clientv3.Client, words []string) {
	namespace, count, workers := words[1], number(words[2]), number(words[3])
	end := time.Now().Add(time.Duration(number(words[4])) * time.Millisecond)
	run(workers, func(w int, r *rand.Rand) bool {
		if time.Now().After(end) {
			return false
		}
		answer, err := clients[w%len(clients)].Get(context.Background(), key(namespace, r.Intn(count)))
		check(err)
		if len(answer.Kvs) != 1 {
			check(fmt.Errorf("a key is missing"))
		}
		return true
	})
}

func list(client *clientv3.Client, words []string) {
	prefix := "/registry/configmaps/" + words[1] + "/"
	page, runs := number(words[2]), number(words[3])
	var ms []float64
	items, bytes := 0, 0
	for i := 0; i < runs; i++ {
		begin := time.Now()
		from := prefix
		revision := int64(0)
		items, bytes = 0, 0
		for {
			options := []clientv3.OpOption{clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)),
				clientv3.WithLimit(int64(page)), clientv3.WithRev(revision)}
			answer, err := client.Get(context.Background(), from, options...)
			check(err)
			for _, kv := range answer.Kvs {
				items++
				bytes += len(kv.Value)
			}
			if !answer.More {
				break
			}
			revision = answer.Header.Revision
			from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
		}
		ms = append(ms, time.Since(begin).Seconds()*1000)
	}
	sort.Float64s(ms)
	fmt.Printf("{\"items\":%d,\"bytes\":%d,\"ms\":%.3f}\n", items, bytes, ms[len(ms)/2])
}

// With a fourth word: so many connections for all watchers, else one each.
func watch(endpoint string, client *clientv3.Client, words []string) {
	prefix := "/registry/configmaps/" + words[1] + "/"
	watchers, events := number(words[2]), number(words[3])
	connections := watchers
	if len(words) > 4 {
		connections = number(words[4])
	}
	ctx, cancel := context.WithCancel(context.Background())
	clients := connect(endpoint, connections)
	var begun, done sync.WaitGroup
	begun.Add(watchers)
	done.Add(watchers)
	for w := 0; w < watchers; w++ {
		go func(c *clientv3.Client) {
			defer done.Done()
			seen := 0
			for answer := range c.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
				if answer.Created {
					begun.Done()
				}
				if seen += len(answer.Events); seen >= events {
					return
				}
			}
		}(clients[w%connections])
	}
	begun.Wait()
	begin := time.Now()
	var issued int64
	for w := 0; w < 8; w++ {
		go func(w int) {
			r := rand.New(rand.NewSource(int64(w)))
			value := make([]byte, 1024)
			for atomic.AddInt64(&issued, 1) <= int64(events) {
				fill(value, false, r)
				_, err := client.Put(ctx, key(words[1], r.Intn(64)), string(value))
				check(err)
			}
		}(w)
	}
	done.Wait()
	fmt.Printf("{\"events\":%d,\"seconds\":%.6f}\n", watchers*events, time.Since(begin).Seconds())
	cancel()
	for _, c := range clients {
		c.Close()
	}
}

func connect(endpoint string, count int) []*clientv3.Client {
	clients := make([]*clientv3.Client, count)
	for i := range clients {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 20 * time.Second,
			MaxCallRecvMsgSize: 1 << 30})
		check(err)
		clients[i] = c
	}
	return clients
}

func main() {
	makeTexts()
	begin := time.Now()
	clients := connect(os.Args[1], number(os.Args[2]))
	answer, err := clients[0].Get(context.Background(), "/")
	check(err)
	fmt.Printf("{\"open_ms\":%.3f,\"revision\":%d}\n", time.Since(begin).Seconds()*1000, answer.Header.Revision)
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		words := strings.Fields(input.Text())
		switch words[0] {
		case "insert", "update":
			write(clients, words)
		case "get":
			get(clients, words)
		case "list":
			list(clients[0], words)
		case "watch":
			watch(os.Args[1], clients[0], words)
		default:
			check(fmt.Errorf("no command: %s", words[0]))
		}
	}
}
