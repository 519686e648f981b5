#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# htvalidators watch as a service: what it tells its manager, and the unit.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use IO::Select;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

needs_proc();

my $patience = 20;
my $running;

END { kill 'KILL', $running->{pid} if $running }

# A manager at a path or an abstract name, and what it has heard.
sub manager {
    my ($name) = @_;
    (my $address = $name) =~ s/^@/\0/;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $address)
        or die "$name: $!";
    return { name => $name, socket => $socket, heard => [] };
}

sub listen_to {
    my ($manager, $seconds, $pattern) = @_;
    my $end = time + $seconds;
    my $select = IO::Select->new($manager->{socket});
    while (!grep { $_ =~ $pattern } @{$manager->{heard}}) {
        my $left = $end - time;
        return 0 if $left <= 0 || !$select->can_read($left);
        $manager->{socket}->recv(my $text, 4096);
        push @{$manager->{heard}}, $text;
    }
    return 1;
}

sub heard {
    my ($manager, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(listen_to($manager, $patience, $pattern), $name)
        or diag "heard: @{$manager->{heard}}";
    $manager->{heard} = [];
}

sub started {
    my ($manager, $environment, @command) = @_;
    local %ENV = (%ENV, NOTIFY_SOCKET => $manager->{name}, %{$environment});
    $running = background(@command);
    return $running;
}

sub stopped {
    kill 'TERM', $running->{pid};
    my $result = finished($running);
    undef $running;
    return $result;
}

my @watch = ($tool, '-i', $index, '--json', 'watch', $site);
make_files('a' => 'a', 'b/b' => 'b');

# --- what the manager hears ------------------------------------------------

my $manager = manager("$work/notify");
started($manager, { WATCHDOG_USEC => 400000 }, @watch);
ok(listen_to($manager, $patience, qr/^READY=1$/m), 'it says when it is ready');
is(records(), 2, 'which is after the first scan');
heard($manager, qr/^STATUS=watching 2 folders; 2 files indexed/m,
    'with a status');
heard($manager, qr/^WATCHDOG=1$/, 'it gives signs of life');
heard($manager, qr/^WATCHDOG=1$/, 'again and again');
spew("$site/c", 'c');
heard($manager, qr/^STATUS=.* 3 files indexed/, 'the status keeps up');

make_sparse("$site/large", 1, 1 << 36);
sleep 1;
$manager->{heard} = [];
heard($manager, qr/^WATCHDOG=1$/, 'it lives while it reads a large file')
    for 1 .. 3;
my $result = stopped();
is($result->{exit}, 0, 'it stops in the middle of that');
heard($manager, qr/^STOPPING=1$/, 'and says so');
unlink "$site/large/00001" or die;

my $abstract = manager("\@htvalidators-test-$$");
started($abstract, {}, @watch);
heard($abstract, qr/^READY=1$/m, 'the name of the socket may be abstract');
ok(!listen_to($abstract, 2, qr/WATCHDOG/),
    'no sign of life is given where none is wanted');
stopped();

started($abstract, { WATCHDOG_USEC => 400000, WATCHDOG_PID => 1 }, @watch);
$abstract->{heard} = [];
heard($abstract, qr/^READY=1$/m, 'ready, where the watchdog is for another');
ok(!listen_to($abstract, 2, qr/WATCHDOG/), 'that one is not answered');
stopped();

started({ name => "$work/nobody" }, {}, @watch);
ok(wait_for($patience, sub { -s "$running->{name}.out" }),
    'a manager that is not there is no obstacle');
is(stopped()->{exit}, 0, 'nor at the end');
started({ name => 'nonsense' }, {}, @watch);
ok(wait_for($patience, sub { -s "$running->{name}.out" }),
    'nor is one that cannot be');
like(stopped()->{err}, qr/NOTIFY_SOCKET is neither/, 'but it is told');

# --- the unit ----------------------------------------------------------------

my (%unit, $section);
my $built = "$ENV{builddir}/packaging/systemd/htvalidators-watch.service";
unlike(slurp($built), qr/^[^#\n]*@(?!system-service$)/m,
    'every name in the unit has its value');
for my $line (lines(slurp($built))) {
    next if $line =~ /^(?:[#;].*)?$/;
    if ($line =~ /^\[(\w+)\]$/) {
        $section = $1;
    }
    elsif ($line =~ /^(\w+)=(.*)$/) {
        push @{$unit{$section}{$1}}, $2;
    }
    else {
        fail("the unit has a line that is none: $line");
    }
}
is_deeply([sort keys %unit], [qw(Install Service Unit)],
    'the unit has its three sections');
my $service = $unit{Service};
is_deeply($service->{Type}, ['notify'], 'the unit waits for READY=1');
is_deeply($service->{ProtectSystem}, ['strict'], 'it may write nothing');
my ($folder) = run('help')->{out} =~ m{^  (/\S+)/[^/\n]+$}m;
is_deeply($service->{ReadWritePaths}, ["-$folder"], 'but the default index')
    if $folder =~ m{^/var/cache/apache2/};
is("-/var/cache/$service->{CacheDirectory}[0]", $service->{ReadWritePaths}[0],
    'whose folder is made') if $service->{CacheDirectory};
is("-$folder", $service->{ReadWritePaths}[0], 'which is that of the build');
isnt($service->{User}[0], 'root', 'as a user who is not root');
is_deeply($service->{Restart}, ['on-failure'], 'and is started again');
is_deeply($service->{TimeoutStartSec}, ['infinity'],
    'the first scan has all the time');
is_deeply([sort map { s/=.*//r } @{$service->{Environment}}],
    [qw(OPTIONS PATHS)], 'it has a setting for folders and one for options');
like($service->{EnvironmentFile}[0], qr{^-/etc/}, 'which a file may change');

# Its very command, with these settings.
my @exec = split ' ', $service->{ExecStart}[0];
like($exec[0], qr{^/.*/htvalidators$}, 'it runs what is installed');
my ($sbindir) = slurp("$ENV{builddir}/config.status")
    =~ /^S\["prefix"\]="(.*)"$/m;
like($exec[0], qr/^\Q$sbindir\E\//, 'below the prefix of the build');
$exec[0] = $tool;
my %value = ('$OPTIONS' => ['-i', $index], '$PATHS' => [$site, "$site/b"]);
@exec = map { $value{$_} ? @{$value{$_}} : $_ } @exec;
started($manager, { WATCHDOG_USEC => $service->{WatchdogSec}[0] * 1e6 },
    @exec);
heard($manager, qr/^READY=1$/m, 'its command gets ready');
like($service->{ExecReload}[0], qr/ -HUP \$MAINPID$/, 'a reload is SIGHUP');
kill 'HUP', $running->{pid};
heard($manager, qr/^STATUS=/, 'which is heeded');
$result = stopped();
is($result->{exit}, 0, 'to stop it is no failure');
is($result->{out} . $result->{err}, '', 'and it has written nothing');

# What no other start mends is not tried again.
my %final = map { $_ => 1 } split ' ', $service->{RestartPreventExitStatus}[0];
my @example = ((grep { /PATHS=/ } lines(slurp($built)))[0] =~ m{"(.*)"});
ok(@example, 'the unit has an example');
$result = run('--quiet', 'watch', map { "$work/not-there$_" } split ' ',
    $example[0]);
ok($final{$result->{exit}}, "folders that are not there end it for good")
    or diag "exit status $result->{exit}";
ok($final{run('watch', '--no-such-option', $site)->{exit}},
    'so does a wrong option');
ok($final{203}, 'so does a program that is not there');
ok(!$final{3}, 'a full disk does not');
cmp_ok($unit{Unit}{StartLimitBurst}[0], '>', 0,
    'and there is an end to what fails again and again');

# As systemd itself reads it; the program must be there.
SKIP: {
    my $text = slurp($built);
    $text =~ s/^(ExecStart=)\S+/$1$tool/m;
    spew("$work/unit/htvalidators-watch.service", $text);
    my @verify = ('systemd-analyze', '--man=no', 'verify',
        "$work/unit/htvalidators-watch.service");
    spew("$work/unit/known-good.service",
        "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    skip 'no systemd-analyze that works here', 2
        unless can_do(@verify[0 .. 2], "$work/unit/known-good.service");
    $result = finished(background(@verify));
    is($result->{exit}, 0, 'systemd finds no fault with the unit');
    is($result->{err}, '', 'and has nothing to say')
        or diag $result->{out};
}

# It is installed, in an image of the system.
SKIP: {
    skip 'the build folder is another user\'s', 2 unless -w $ENV{builddir};
    # Of the make that may have started this test.
    delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my $make = finished(background('make', '-s', '-C', $ENV{builddir},
        "DESTDIR=$work/dest", 'systemdsystemunitdir=/units',
        'install-systemdsystemunitDATA'));
    is($make->{exit}, 0, 'the unit can be installed') or diag $make->{err};
    is(slurp("$work/dest/units/htvalidators-watch.service"), slurp($built),
        'as it was built');
}

done_testing;
