// SPDX-License-Identifier: Apache-2.0

// A lumberjack v2 receiver for tests: prints each event as one JSON line, then acknowledges the batch.
// The protocol is read by elastic/go-lumber, which Beats are tested with; it acknowledges a batch only as a whole.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/elastic/go-lumber/server/v2"
)

// cutConn closes itself once it has read `left` bytes: a peer that dies in the middle of a batch.
type cutConn struct {
	net.Conn
	left int64
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.Conn.Close()
		return 0, fmt.Errorf("cut on purpose")
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// cutListener cuts each of the first `times` connections after `bytes` bytes.
type cutListener struct {
	net.Listener
	bytes, times int64
}

func (l *cutListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && atomic.AddInt64(&l.times, -1) >= 0 {
		return &cutConn{c, l.bytes}, nil
	}
	return c, err
}

func main() {
	addr := flag.String("addr", "127.0.0.1:5044", "address to listen on")
	delay := flag.Duration("delay", 0, "wait this long before each ACK (a slow peer; past -keepalive it sends ACK 0)")
	keepalive := flag.Duration("keepalive", 3*time.Second, "interval of ACK 0 while a batch is pending")
	cutBytes := flag.Int64("cut-bytes", 0, "close a connection after reading this many bytes")
	cutTimes := flag.Int64("cut-times", 1, "how many connections -cut-bytes cuts")
	dropACK := flag.Int("drop-ack", 0, "after this many batches stop acknowledging (0: never)")
	cert := flag.String("cert", "", "PEM certificate: speak TLS")
	key := flag.String("key", "", "PEM key")
	clientCA := flag.String("client-ca", "", "PEM authority: clients must have a certificate of it")
	quiet := flag.Bool("quiet", false, "count only")
	flag.Parse()
	log.SetFlags(0)

	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	if *cutBytes > 0 {
		l = &cutListener{l, *cutBytes, *cutTimes}
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			log.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}}
		if *clientCA != "" {
			pem, err := os.ReadFile(*clientCA)
			if err != nil {
				log.Fatal(err)
			}
			config.ClientCAs = x509.NewCertPool()
			config.ClientCAs.AppendCertsFromPEM(pem)
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
		l = tls.NewListener(l, config)
	}
	s, err := v2.NewWithListener(l, v2.Keepalive(*keepalive), v2.Timeout(30*time.Second),
		v2.JSONDecoder(func(b []byte, v interface{}) error {
			// keep the bytes that came over the wire, but refuse what is not JSON
			if !json.Valid(b) {
				return fmt.Errorf("not JSON: %.80q", b)
			}
			*(v.(*interface{})) = append([]byte(nil), b...)
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("READY %s", l.Addr())
	out := bufio.NewWriter(os.Stdout)
	batches, events, start := 0, 0, time.Time{}
	for batch := range s.ReceiveChan() {
		if start.IsZero() {
			start = time.Now()
		}
		batches++
		events += len(batch.Events)
		if !*quiet {
			for _, e := range batch.Events {
				out.Write(e.([]byte))
				out.WriteByte('\n')
			}
			out.Flush()
		}
		if *delay > 0 {
			time.Sleep(*delay)
		}
		if *dropACK > 0 && batches >= *dropACK {
			log.Printf("batch %d of %d events: no ACK", batches, len(batch.Events))
			continue
		}
		batch.ACK()
		if !*quiet || batches%100 == 0 {
			log.Printf("batch %d: %d events, %d in all, %.0f/s", batches, len(batch.Events), events, float64(events)/time.Since(start).Seconds())
		}
	}
}
