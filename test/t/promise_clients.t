# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Clients that put a file together from parts, resume it, or date their copy by
# Last-Modified, on files that no index knows: proxies that cut into slices,
# mirrors, parallel downloads.  None is told of a change that there was not, and
# none fetches a file twice.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Cold;
use Vld::Server ();
use Vld::Test;

my ($large, $huge) = (20 << 20, 300 << 20);
my %sha;
my @mirrored = (['a.bin', 1000], ['b.bin', 100_000], ['c/d.bin', 1 << 20],
    ['c/e.bin', 3 << 20]);

my $server = cold_server('promise-clients', sub {
    my $docs = $_[0]->docs;
    for my $dir (qw(default promised)) {
        for my $who (qw(nginx aria lftp rclone)) {
            $sha{"$dir/$who/large.bin"} = cold_text(
                "$docs/$dir/$who/large.bin", $large) if $who =~ /nginx|aria/;
            next unless $who =~ /lftp|rclone/;
            for my $file (@mirrored) {
                my $name = "$dir/$who/$file->[0]";
                $sha{$name} = cold_text("$docs/$name", $file->[1]);
            }
        }
        cold_text("$docs/$dir/wget/$_", $_) for 100_000, 1 << 20;
        cold_sparse("$docs/$dir/$_/huge.bin", $huge)
            for qw(wget curl range);
    }
});
my $at = "http://127.0.0.1:$server->{port}";
settle();

# Without a program its tests are left out, but for scripts/check, which has
# installed all of them.
sub with_program
{
    my ($name, $code) = @_;
    my $program = program($name);
    SKIP: {
        skip "there is no $name", 1 unless $program || $ENV{VLD_REAL_NEEDED};
        ok($program, "there is $name") or return;
        $code->($program);
    }
}

# --- nginx, which fetches slices ---------------------------------------------

my $nginx_pid;

sub start_nginx
{
    my $program = shift;
    my $dir = client_folder('nginx');
    my $port = Vld::Server::free_port();
    spew("$dir/nginx.conf", <<"END");
daemon off;
worker_processes 1;
pid $dir/pid;
error_log $dir/error.log info;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    proxy_cache_path $dir/cache keys_zone=slices:1m;
    server {
        listen 127.0.0.1:$port;
        location / {
            slice 1m;
            proxy_cache slices;
            proxy_cache_key \$uri\$slice_range;
            proxy_set_header Range \$slice_range;
            proxy_http_version 1.1;
            proxy_cache_valid 200 206 1h;
            proxy_pass $at;
        }
    }
}
END
    $nginx_pid = fork;
    die "fork: $!\n" unless defined $nginx_pid;
    if (!$nginx_pid) {
        open STDERR, '>>', "$dir/err";
        exec $program, '-e', "$dir/error.log", '-p', $dir, '-c',
            "$dir/nginx.conf" or POSIX::_exit(127);
    }
    seconds_until(10, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port, Proto => 'tcp') });
    return ($dir, $port);
}

END {
    if ($nginx_pid) {
        local $?;
        kill 'TERM', $nginx_pid;
        waitpid $nginx_pid, 0;
    }
}

# As slowly as a client does who is not on the same machine.
sub download
{
    my ($dir, $port, $path, $name) = @_;
    my ($rc) = run_in($dir, 'curl', '-s', '--limit-rate', '8M', '-o', 'got',
        "http://127.0.0.1:$port/$path");
    is("$rc " . sha_of_file("$dir/got"), "0 $sha{$path}", $name);
    unlink "$dir/got";
}

# Let every third slice be fetched again.
sub lose_slices
{
    my $dir = shift;
    my @kept = sort glob "$dir/cache/*";
    unlink $kept[$_ * 3] for 0 .. $#kept / 3;
    return scalar @kept;
}

sub by_nginx
{
    my ($program, $what, $path) = @_;
    my ($dir, $port) = start_nginx($program);
    download($dir, $port, $path, "nginx fetches slices of $what");
    is(lose_slices($dir), $large >> 20, 'each is a part of its own');
    download($dir, $port, $path, 'once more, with some of them kept');
    lose_slices($dir);
    scan_of($server, $server->docs($path));
    download($dir, $port, $path, 'also when a scan has read the file');
    lose_slices($dir);
    stamp($server->docs($path), $Vld::Cold::old + 1000);
    settle();
    # Nobody else finds out that the content is the same.
    scan_of($server, $server->docs($path)) if $path =~ /^promised/;
    download($dir, $port, $path, 'and when it was touched');
    kill 'TERM', $nginx_pid;
    waitpid $nginx_pid, 0;
    $nginx_pid = undef;
    all_right("no slice of $what has another tag than the first",
        grep { /etag mismatch|unexpected/ } split /\n/,
        slurp("$dir/error.log"));
}

# --- mirrors -------------------------------------------------------------------

sub mirrored_well
{
    my ($who, $what, $to, $folder) = @_;
    my @wrong;
    for my $file (@mirrored) {
        my $path = "$to/$file->[0]";
        my $name = "$folder/$file->[0]";
        push @wrong, "$name: another content" if sha_of_file($path)
            ne $sha{$name};
        my $mtime = (stat $path)[9] || 0;
        push @wrong, "$name: dated " . http_date($mtime)
            if $mtime != $Vld::Cold::old;
    }
    all_right("$who has $what, dated as they are", @wrong);
}

# The command twice: the second fetches nothing.
sub mirror_twice
{
    my ($who, $what, $folder, @command) = @_;
    my $dir = client_folder($who);
    my @paths = map { "/$folder/$_->[0]" } @mirrored;
    my ($rc, $out) = run_in($dir, @command);
    is($rc, 0, "$who mirrors $what") or diag($out);
    mirrored_well($who, $what, "$dir/copy", $folder);
    my $before = octets_for($server, @paths);
    my $size = 0;
    $size += $_->[1] for @mirrored;
    is($before, $size, 'each is sent once');
    ($rc, $out) = run_in($dir, @command);
    is($rc, 0, "$who mirrors $what again") or diag($out);
    is(octets_for($server, @paths), $before, 'and fetches nothing');
    mirrored_well($who, $what, "$dir/copy", $folder);
}

sub by_mirrors
{
    my ($what, $folder) = @_;
    with_program('lftp', sub {
        mirror_twice('lftp', $what, "$folder/lftp", $_[0], '-c',
            "set net:max-retries 2; mirror $at/$folder/lftp/ copy");
    });
    with_program('rclone', sub {
        mirror_twice('rclone', $what, "$folder/rclone", $_[0], '--config',
            'rclone.conf', '--http-url', "$at/$folder/rclone/", 'copy',
            ':http:', 'copy');
    });
}

# --- one file ------------------------------------------------------------------

sub by_aria
{
    my ($program, $what, $folder) = @_;
    my $dir = client_folder('aria2');
    my $path = "$folder/aria/large.bin";
    my @command = ($program, '-q', '--no-conf', '-x4', '-s4', '-k1M', '-R',
        '--conditional-get=true', '--allow-overwrite=true', '-o', 'got',
        "$at/$path");
    my ($rc) = run_in($dir, @command);
    is("$rc " . sha_of_file("$dir/got"), "0 $sha{$path}",
        "aria2 fetches $what in parallel");
    is(http_date((stat "$dir/got")[9]), http_date($Vld::Cold::old),
        'and dates it as it is');
    my $before = octets_for($server, "/$path");
    run_in($dir, @command);
    is(octets_for($server, "/$path"), $before, 'asked again it fetches'
        . ' nothing');
}

# Three times: the file is sent to the first.
sub by_wget
{
    my ($program, $what, $folder, $name, $size) = @_;
    my $dir = client_folder('wget');
    my ($said, $to) = ('', "$dir/$name");
    for (1 .. 3) {
        my (undef, $out) = run_in($dir, $program, '-N', '-nv',
            "$at/$folder/wget/$name");
        $said .= $out;
        Time::HiRes::sleep(1.2); # a second is the unit of dates
    }
    is(join(', ', sent_for($server, "/$folder/wget/$name", 3)),
        "200 $size, 304 0, 304 0", "wget -N fetches $what once")
        or diag($said);
    is((stat $to)[7] . ', ' . http_date((stat _)[9]), "$size, "
        . http_date($Vld::Cold::old), 'and dates it as it is');
    unlink $to;
}

# The first part in an answer of its own; the rest when the server has had time
# to read the file.
sub by_curl
{
    my ($what, $path) = @_;
    my $dir = client_folder('curl');
    my $part = 100 << 20;
    run_in($dir, 'curl', '-s', '-D', 'head', '-r', '0-' . ($part - 1), '-o',
        'got', "$at/$path");
    is(-s "$dir/got", $part, "curl has a part of $what");
    my ($tag) = slurp("$dir/head") =~ /^ETag: (\S+)/mi;
    $tag = 'none' unless defined $tag;
    ok(strong($tag), 'with a strong tag') or diag($tag);
    Time::HiRes::sleep(2.5);
    my ($rc) = run_in($dir, 'curl', '-s', '-C', '-', '-H', "If-Range: $tag",
        '-o', 'got', "$at/$path");
    is("$rc " . (-s "$dir/got"), "0 $huge", 'and gets the rest');
    is(join(', ', sent_for($server, "/$path", 2)), "206 $part, 206 "
        . ($huge - $part), 'no octet twice');
    unlink "$dir/got";
}

# Both kinds of If-Range, from the first answer on.
sub by_range
{
    my ($what, $path) = @_;
    my $c = $server->client;
    my $first = $c->get("/$path", Range => 'bytes=0-99');
    my ($tag, $date) = @{$first->{h}}{qw(etag last-modified)};
    for my $after ('at once', 'later', 'after a scan') {
        for my $held ($tag, $date) {
            my $res = $c->get("/$path", Range => "bytes=100-199",
                'If-Range' => defined $held ? $held : '"none"');
            $held = 'none' unless defined $held;
            is("$res->{status} " . ($res->{h}{'content-range'} || 'all')
                . ' ' . tag_in($res), "206 bytes 100-199/$huge "
                . tag_in($first), "If-Range resumes $what $after ($held)");
            $c->close if $res->{status} != 206;
        }
        scan_of($server, $server->docs($path)) if $after eq 'later';
        Time::HiRes::sleep(2) if $after eq 'at once';
    }
}

sub by_each
{
    my ($what, $folder) = @_;
    with_program('nginx', sub { by_nginx($_[0], "20 MB $what",
        "$folder/nginx/large.bin") });
    by_mirrors("files $what", $folder);
    with_program('aria2c', sub { by_aria($_[0], "20 MB $what", $folder) });
    with_program('wget', sub {
        by_wget($_[0], "$_ octets $what", $folder, $_, $_)
            for 100_000, 1 << 20;
    });
}

by_each('that the server reads first', 'default');
# What has just changed may be growing; these have not.
by_each('of which it only promises', 'promised');
for my $folder (qw(default promised)) {
    my $what = "300 MB ($folder)";
    with_program('wget', sub { by_wget($_[0], $what, $folder, 'huge.bin',
        $huge) });
    by_curl($what, "$folder/curl/huge.bin");
    by_range($what, "$folder/range/huge.bin");
}
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$server->stop;
done_testing();
