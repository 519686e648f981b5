# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Real sites: httpd's manual in all its languages, and /usr/share as a large
# tree.  Each file is sent with a tag, and then is not modified by its own
# validators, for every kind of client.  VLD_REAL_SECONDS bounds the tree.
use strict;
use warnings;
use Cwd ();
use File::Find ();
use List::Util ();
use Test::More;
use Time::HiRes ();
use Vld::Test;

my $manual = '/usr/share/doc/apache2-doc/manual';
my $share = '/usr/share';
my $seconds = $ENV{VLD_REAL_SECONDS} || 15;
my $tmp = top() . '/logs/real';

plan(skip_all => "there is no $manual (package apache2-doc)")
    unless -d $manual || $ENV{VLD_REAL_NEEDED};

sub url_of
{
    my $path = shift;
    $path =~ s{([^A-Za-z0-9/._~-])}{sprintf '%%%02X', ord $1}ge;
    return $path;
}

# Regular files at or below a folder, also behind symbolic links, that this
# user can read: paths below it.
sub files_below
{
    my $root = shift;
    my @found;
    no warnings 'File::Find';
    File::Find::find({ follow_fast => 1, follow_skip => 2, no_chdir => 1,
        wanted => sub {
            return unless -f && -r _;
            # A link may lead out of what is indexed.
            push @found, substr $_, length $root
                if index(Cwd::realpath($_), "$root/") == 0;
        } }, $root);
    return @found;
}

my %clients = (
    'by its tag' => ['tag'],
    'by its date' => ['date'],
    'as a browser does' => ['both', 'Accept-Encoding' => 'gzip'],
);

# One pass over many URLs in a pipeline.
sub each_url
{
    my ($c, $urls, $fields_of, $judge) = @_;
    my $i = 0;
    return $c->pipeline(sub {
        return undef if $i >= @$urls;
        my $url = $urls->[$i++];
        my ($method, @fields) = $fields_of->($url);
        return [$method, $c->request_text($method, $url, @fields), $url];
    }, sub {
        my ($req, $res) = @_;
        $judge->($req->[2], $res);
    }, 24);
}

# Of a file whose times all mean nothing the first answer has no date yet: it is
# the time of that answer, and is sent when its second is over.
sub wait_for_dates
{
    my ($c, $what, $full, @urls) = @_;
    my @undated = grep { !defined $full->{identity}{$_}{h}{'last-modified'}
        || !defined $full->{gzip}{$_}{h}{'last-modified'} } @urls;
    return unless @undated;
    Time::HiRes::sleep(1.2);
    my @wrong;
    for my $coding ('identity', 'gzip') {
        for my $url (@undated) {
            my $h = $c->head($url, 'Accept-Encoding' => $coding)->{h};
            push @wrong, "$url ($coding)" unless defined $h->{'last-modified'}
                && $h->{etag} eq $full->{$coding}{$url}{h}{etag};
            $full->{$coding}{$url}{h}{'last-modified'} = $h->{'last-modified'};
        }
    }
    all_right("$what: each has a date when its second is over", @wrong);
}

# Send every URL and revalidate it; the full responses by URL and coding.
sub try_all
{
    my ($what, $prefix, $root, $paths) = @_;
    my $c = client();
    my @urls = map { $prefix . url_of($_) } @$paths;
    my %path;
    @path{@urls} = @$paths;
    my %full;
    for my $coding ('identity', 'gzip') {
        my @wrong;
        my $n = 0;
        each_url($c, \@urls, sub {
            my $size = -s $root . $path{$_[0]};
            return ($size > 262_144 ? 'HEAD' : 'GET',
                'Accept-Encoding' => $coding);
        }, sub {
            my ($url, $res) = @_;
            $n++;
            my $tag = $res->{h}{etag} || '';
            my $content = $coding eq 'identity' && $res->{body} ne '';
            push @wrong, "$url: $res->{status} [$tag]"
                unless $res->{status} == 200 && $tag =~
                /^"[\w-]{22}(?:-gzip)?"$/ && (!$content
                || $tag eq tag_of($res->{body}));
            $full{$coding}{$url} = { h => $res->{h} };
        });
        all_right("$what: each of " . @urls . " files is sent with the tag of"
            . " its content ($coding)", @wrong);
        is($n, scalar @urls, "$what: none is missing ($coding)");
    }
    wait_for_dates($c, $what, \%full, @urls);
    for my $how (sort keys %clients) {
        my ($kind, @fields) = @{$clients{$how}};
        my $of = $full{@fields ? 'gzip' : 'identity'};
        my @wrong;
        my $n = 0;
        each_url($c, \@urls, sub {
            my @held = validators_of($of->{$_[0]}, $kind);
            return ('GET', @held, @fields);
        }, sub {
            my ($url, $res) = @_;
            my $same = same_fields($of->{$url}, $res);
            $n++ if $res->{status} == 304;
            push @wrong, "$url: $res->{status} $same"
                unless $res->{status} == 304 && $same eq '';
        });
        all_right("$what: each is not modified $how", @wrong);
        is($n, scalar @urls, "$what: all of " . @urls . " $how");
    }
    is($c->{lost}, 0, "$what: no connection was lost");
    return ($full{identity}, @urls);
}

# curl, one process for many URLs, each with its own validators.
sub by_curl
{
    my ($base, $full, $kind, @urls) = @_;
    my $config = '';
    for my $url (@urls) {
        my %held = validators_of($full->{$url}, $kind);
        $config .= "url = \"$base$url\"\noutput = \"/dev/null\"\n"
            . "write-out = \"%{http_code}\\n\"\n";
        for my $name (sort keys %held) {
            my $value = $held{$name} =~ s/"/\\"/gr;
            $config .= "header = \"$name: $value\"\n";
        }
        $config .= "next\nsilent\n";
    }
    spew("$tmp.curl", "silent\n$config");
    my ($rc, $out) = run_command('curl', '-K', "$tmp.curl");
    return scalar(() = $out =~ /^304$/mg);
}

# nghttp, many streams on one connection: one list of tags, of which each
# URL's own is one.
sub by_nghttp
{
    my ($base, $full, @urls) = @_;
    my $n = 0;
    while (my @some = splice @urls, 0, 50) {
        my $tags = join ', ', map { $full->{$_}{h}{etag} || () } @some;
        my ($rc, $out) = run_command('nghttp', '-vn', '-H',
            "If-None-Match: $tags", '-H', 'Accept-Encoding: identity',
            map { "$base$_" } @some);
        $n += () = $out =~ /:status: 304/g;
    }
    return $n;
}

{
    my @paths = files_below($manual);
    scan($manual);
    cmp_ok(scalar @paths, '>', 2000, 'the manual is there');
    my ($full, @urls) = try_all('manual', '/manual', $manual, \@paths);
    my $base = 'http://127.0.0.1:' . port_of();
    is(by_curl($base, $full, $_, @urls), scalar @urls,
        'manual: curl has ' . @urls . " pages not modified by $_")
        for qw(tag date);
    is(by_nghttp($base, $full, @urls), scalar @urls,
        'manual: nghttp has ' . @urls . ' pages not modified');
    diag('manual: ' . @urls . ' files tried');
}

{
    my @all = files_below($share);
    scan_share();
    cmp_ok(scalar @all, '>', 1000, 'the large tree is there');
    my @paths = List::Util::shuffle(@all);
    my ($tried, $t0) = (0, Time::HiRes::time());
    while (@paths && Time::HiRes::time() < $t0 + $seconds) {
        my @some = splice @paths, 0, 3000;
        try_all('large tree, from ' . $tried, '/share', $share, \@some);
        $tried += @some;
    }
    diag(sprintf 'large tree: %d of %d files tried in %.0f s', $tried,
        scalar @all, Time::HiRes::time() - $t0);
}

# What may not be read is left out, and said.
sub scan_share
{
    return unless module_loaded();
    my ($rc, $out) = Vld::Test::tool('scan', '--quiet', $share);
    cmp_ok($rc, '<', 2, 'the large tree is indexed') or diag($out);
}

done_testing();
